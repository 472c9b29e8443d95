"""The local database of runs, created as a whole or not at all."""

from __future__ import annotations

import logging
import os
import sqlite3
from contextlib import closing
from pathlib import Path

from mlflow import MlflowClient
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from harness.core.exceptions import InputError
from harness.tracking.moved_database import follow_move
from harness.utils.file_kinds import FILE, is_plain_file, kind_of
from harness.utils.file_lock import exclusive_lock
from harness.utils.sqlite_url import sqlite_address

_log = logging.getLogger("harness")
_UNFINISHED = ".making"
_PATIENCE = 60.0  # seconds for which a process waits while another writes
_SOON = 3.0  # seconds of waiting after which it is logged
_LOCKED = "locked"
_BEGINNINGS = {  # of what SQLite writes, by the end of the file's name
    "": b"SQLite format 3\0",
    "-journal": b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7",
}


def open_database(path: Path, *, make: bool) -> MlflowClient:
    """Return a client of the database ``path`` (absolute); create it if it is absent, or refuse with ``make=False``.

    Raises
    ------
    InputError : it is absent, is no database of MLflow, or was moved without its files.
    OSError : the folder cannot be written, or another process holds the database locked.
    """
    address = sqlite_address(path, "tracking.uri")
    kind = kind_of(path)
    if kind not in (None, FILE) and not (kind == "a link" and path.is_file()):
        advice = "set tracking.uri to sqlite:///PATH of a database file, or move it away"
        raise InputError(f"tracking: {path} is no file; {advice} (it is {kind})")
    if kind is not None and path.stat().st_size:
        _check(path)
        try:
            follow_move(path, patience=_PATIENCE)
        except sqlite3.Error as error:
            raise OSError(str(error)) from error
    elif not make and kind is None:
        raise InputError(f"tracking: there is no database {path}; record a run first, or set another --uri")
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        with exclusive_lock(path.with_name(f"{path.name}.lock")):
            if not path.is_file() or not path.stat().st_size:
                _make(Path(os.path.realpath(path)))
    return MlflowClient(tracking_uri=address)


def _make(path: Path) -> None:
    """Create the database under another name until it is whole: MLflow creates its tables by dozens of migrations."""
    unfinished = path.with_name(f"{path.name}{_UNFINISHED}")
    _remove_unfinished(unfinished)
    store = SqlAlchemyStore(sqlite_address(unfinished, "tracking.uri"), "./mlruns")  # type: ignore[no-untyped-call]
    store.engine.dispose()
    unfinished.rename(path)


def _remove_unfinished(unfinished: Path) -> None:
    """Remove files of a process that was killed while it created a database.

    Raises
    ------
    InputError : something else has its name.
    """
    paths = {unfinished.with_name(f"{unfinished.name}{end}"): beginning for end, beginning in _BEGINNINGS.items()}
    for path, beginning in paths.items():
        if kind_of(path) is not None and not _begins(path, beginning):
            raise InputError(f"tracking: {path} was not made by this program, which needs the name; move it away")
    for path in paths:
        path.unlink(missing_ok=True)


def _begins(path: Path, beginning: bytes) -> bool:
    """Return whether a plain file has this beginning, or none, or one that SQLite has overwritten with zeros."""
    if not is_plain_file(path):
        return False
    with path.open("rb") as file:
        start = file.read(len(beginning))
    return start == beginning or not any(start)


def _check(path: Path) -> None:
    """Refuse at once a file that MLflow would try to open for an hour."""
    advice = f"move it away (runs are then recorded into a new one), or set tracking.uri to another; got {path}"
    try:
        versions = _versions(path, _SOON)
        if versions is None:
            _log.warning("waiting for another process, which holds %s locked", path)
            versions = _versions(path, _PATIENCE)
    except sqlite3.OperationalError as error:
        raise OSError(str(error)) from error
    except sqlite3.DatabaseError as error:
        raise InputError(f"tracking: the file of runs is no database, or damaged ({error}); {advice}") from error
    if versions is None:
        raise OSError("database is locked")
    if not versions:
        raise InputError(f"tracking: the file of runs is no database of MLflow, or its making was cut off; {advice}")


def _versions(path: Path, patience: float) -> list[str] | None:
    """Return the version of MLflow's tables, or nothing without tables; None if it stays locked for ``patience`` s."""
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=patience)) as connection:
            names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if not {"alembic_version", "experiments", "experiment_tags", "runs"} <= names:
                return []
            return [version for (version,) in connection.execute("SELECT version_num FROM alembic_version")]
    except sqlite3.OperationalError as error:
        if _LOCKED not in str(error):
            raise
        return None
