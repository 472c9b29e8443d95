"""Relocate the artifacts of a database of runs that was copied or moved.

MLflow stores the places of artifacts as absolute paths: runs recorded in the copy would write into the folder that it
came from, and be read from there.
"""

from __future__ import annotations

import logging
import os
import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from harness.core.exceptions import InputError

TAG = "harness.database"  # of an experiment: the database that it was made in
_log = logging.getLogger("harness")


@dataclass(frozen=True)
class Move:
    """An experiment whose artifacts are in another folder now.

    Attributes
    ----------
    location, new_location : of the experiment's artifacts, as stored in the database and after the move.
    runs : artifact folders of its runs below ``location``, by run id.
    """

    experiment: int
    location: str
    new_location: str
    runs: dict[str, str]

    @property
    def old(self) -> Path:
        return local_path(self.location) or Path()

    @property
    def new(self) -> Path:
        return local_path(self.new_location) or Path()

    def relocated(self, uri: str) -> str:
        """Return the place of a run's artifacts after the move."""
        return self.new_location.rstrip("/") + uri.removeprefix(self.location.rstrip("/"))

    def left_behind(self) -> list[str]:
        """Return runs whose files are in the old place and not in the new one."""
        return [run for run, uri in self.runs.items() if _is_folder(uri) and not _is_folder(self.relocated(uri))]


def local_path(location: str) -> Path | None:
    """Return the absolute path of a place for artifacts; None if it is not on this machine."""
    parts = urlsplit(location)
    if parts.scheme == "file" and not parts.netloc:
        return Path(unquote(parts.path))
    return Path(location) if location.startswith("/") else None


def follow_move(database: Path, *, patience: float) -> None:
    """Point a database that was copied or moved to the artifacts next to it, and log that once.

    Parameters
    ----------
    database : absolute path.
    patience : seconds to wait while another process writes.

    Raises
    ------
    InputError : artifacts are only in the old place, or the database cannot be written.
    sqlite3.Error : it cannot be read.
    """
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=rw", uri=True, timeout=patience)) as connection:
        connection.isolation_level = None
        if not any(True for _ in _moves(connection, database)):
            return
        try:
            connection.execute("BEGIN IMMEDIATE")
            moves = list(_moves(connection, database))
            for move in moves:
                _refuse_to_leave_behind(move, database)
                _rewrite(connection, move, database)
            connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            if "readonly" not in str(error):
                raise
            raise InputError(
                f"tracking: {database} was copied or moved, and cannot be written to find its files here ({error}); "
                "make it writable once"
            ) from error
    for new, old in dict.fromkeys((move.new, move.old) for move in moves):
        _log.warning("%s was copied or moved: its runs now have their files in %s, no more in %s", database, new, old)


def _moves(connection: sqlite3.Connection, database: Path) -> Iterator[Move]:
    rows = connection.execute(
        "SELECT experiment_id, artifact_location, (SELECT value FROM experiment_tags AS tag "
        "WHERE tag.experiment_id = experiment.experiment_id AND key = ?) FROM experiments AS experiment",
        (TAG,),
    ).fetchall()
    for experiment, location, made_in in rows:
        old = local_path(location or "")
        if old is None or (made_in and _is_same(Path(made_in), database)):
            continue
        prefix = location.rstrip("/") + "/"
        uris = connection.execute("SELECT run_uuid, artifact_uri FROM runs WHERE experiment_id = ?", (experiment,))
        runs = {run: uri for run, uri in uris if uri and uri.startswith(prefix)}
        new = _new_place(old, Path(made_in), database) if made_in else _likely_place(old, database, runs)
        if new is not None and not _is_same(new, old):
            yield Move(experiment, location, new.as_uri() if location.startswith("file:") else str(new), runs)


def _new_place(old: Path, made_in: Path, database: Path) -> Path | None:
    """Return the folder at the same relative path from the database as before; None if it was far away from it."""
    if not old.is_relative_to(made_in.parent.parent):
        return None
    return Path(os.path.normpath(database.parent / os.path.relpath(old, made_in.parent)))


def _likely_place(old: Path, database: Path, runs: dict[str, str]) -> Path | None:
    """Return a folder near the database that has the name of ``old`` and holds some of its runs; None if none does."""
    if old.is_relative_to(database.parent):
        return None
    near = (database.parent / old.name, database.parent.parent / old.parent.name / old.name)
    return next((place for place in near if any((place / run).is_dir() for run in runs)), None)


def _is_same(path: Path, other: Path) -> bool:
    try:
        return path == other or path.samefile(other)
    except OSError:
        return False


def _is_folder(uri: str) -> bool:
    path = local_path(uri)
    return path is not None and path.is_dir()


def _refuse_to_leave_behind(move: Move, database: Path) -> None:
    if runs := move.left_behind():
        command = shlex.join(["cp", "-r", f"{move.old}/.", f"{move.new}/"])
        raise InputError(
            f"tracking: {database} was copied or moved, and the files of {len(runs)} of its {len(move.runs)} runs were "
            f"not: copy them too (mkdir -p {shlex.quote(str(move.new))} && {command}), or set tracking.uri to another "
            "file"
        )


def _rewrite(connection: sqlite3.Connection, move: Move, database: Path) -> None:
    connection.execute(
        "UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?", (move.new_location, move.experiment)
    )
    connection.executemany(
        "UPDATE runs SET artifact_uri = ? WHERE run_uuid = ?",
        [(move.relocated(uri), run) for run, uri in move.runs.items()],
    )
    connection.execute(
        "INSERT OR REPLACE INTO experiment_tags (key, value, experiment_id) VALUES (?, ?, ?)",
        (TAG, str(database), move.experiment),
    )
