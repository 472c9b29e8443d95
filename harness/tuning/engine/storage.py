"""The database of Optuna studies, shared by processes and safe if one is killed."""

from __future__ import annotations

import shlex
import sqlite3
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from optuna.storages import RDBStorage
from sqlalchemy.exc import SQLAlchemyError

from harness.core.exceptions import InputError
from harness.utils.file_kinds import refuse_all_but_files
from harness.utils.file_lock import exclusive_lock
from harness.utils.redaction import redacted
from harness.utils.sqlite_url import SQLITE, sqlite_address

optuna.logging.set_verbosity(optuna.logging.ERROR)  # one line for each trial and study is noise

_PATIENCE = 60.0  # seconds to wait while another process writes


def absolute(url: str) -> str:
    """Return the address with the path of a local database made absolute.

    Raises
    ------
    InputError : the path has characters that an address cannot have.
    """
    path, question_mark, query = url.removeprefix(SQLITE).partition("?")
    if not url.startswith(SQLITE):
        return url
    return sqlite_address(Path(path).absolute(), "tuning.storage") + question_mark + query


def open_storage(url: str) -> RDBStorage:
    """Open the database, once per process; create its tables if there are none.

    Raises
    ------
    InputError : the database cannot be reached or written, or was made by another version of Optuna.
    """
    try:
        return _open_once(absolute(url))
    except (OSError, SQLAlchemyError, ImportError, RuntimeError) as error:
        reason = redacted((str(error).strip() or type(error).__name__).splitlines()[0])
        remedy = "set tuning.storage to a database you can write"
        if "database is locked" in reason:
            reason, remedy = "another process holds it locked", "wait for that process, or end it, and run again"
        raise InputError(f"tuning.storage={redacted(url)} cannot be used ({reason}); {remedy}") from error


@cache
def _open_once(url: str) -> RDBStorage:
    if not url.startswith(SQLITE):
        return RDBStorage(url)
    path = Path(url.removeprefix(SQLITE).partition("?")[0]).absolute()
    refuse_all_but_files(path, "tuning.storage")
    path.parent.mkdir(parents=True, exist_ok=True)
    with exclusive_lock(path.with_name(f"{path.name}.lock")):
        _refuse_foreign(path)
        storage = RDBStorage(url, engine_kwargs={"connect_args": {"timeout": _PATIENCE}})
    sqlalchemy.event.listen(storage.engine, "connect", _configure)
    sqlalchemy.event.listen(storage.engine, "begin", _lock)
    storage.engine.dispose()  # connections made from here on are configured
    with storage.engine.connect() as connection:
        connection.execute(sqlalchemy.text("CREATE TABLE IF NOT EXISTS writable (x INTEGER)"))
        connection.rollback()
    return storage


def _refuse_foreign(path: Path) -> None:
    """Refuse the database of another program, in which Optuna would create its tables.

    Raises
    ------
    InputError : it has tables, but none of Optuna's.
    OSError : it is no database, or cannot be read.
    """
    if not path.is_file() or not path.stat().st_size:
        return
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=_PATIENCE)) as connection:
            names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.Error as error:
        raise OSError(str(error)) from error
    if names and not {"studies", "trials"} & names:
        raise InputError(f"tuning.storage: {path} is a database of something else; choose another file")


def _configure(connection: sqlite3.Connection, _: Any) -> None:
    """Set a write-ahead log: ten times faster, readers do not wait, a killed process leaves nothing half written."""
    connection.isolation_level = None  # or the driver would begin transactions by itself
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


def _lock(connection: sqlalchemy.Connection) -> None:
    """Lock before reading: two transactions that read and then write would block each other, however long they wait."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def delete_command(url: str, study: str) -> str:
    """Return the shell command that deletes a study."""
    return shlex.join(["optuna", "delete-study", "--storage", redacted(url), "--study-name", study])
