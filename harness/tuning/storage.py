"""The database of studies: opened once per process, safe for several processes and for one that is killed."""

from __future__ import annotations

import shlex
import sqlite3
from functools import cache
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from optuna.storages import RDBStorage
from sqlalchemy.exc import SQLAlchemyError

from harness.alone import alone
from harness.redact import redacted
from harness.types import InputError

optuna.logging.set_verbosity(optuna.logging.ERROR)  # one line for each trial and study is noise

_SQLITE = "sqlite:///"
_PATIENCE = 60.0  # seconds for which a process waits while another writes


def absolute(url: str) -> str:
    """The address with the path of a local database made absolute."""
    return f"{_SQLITE}{Path(url.removeprefix(_SQLITE)).absolute()}" if url.startswith(_SQLITE) else url


def open_storage(url: str) -> RDBStorage:
    """Tables are made where there are none.

    Raises
    ------
    InputError : the database cannot be reached or written, or was made by another version of Optuna.
    """
    try:
        return _opened(absolute(url))
    except (OSError, SQLAlchemyError, ImportError, RuntimeError) as error:
        reason = redacted((str(error).strip() or type(error).__name__).splitlines()[0])
        raise InputError(
            f"tuning.storage={redacted(url)} cannot be used ({reason}); set tuning.storage to a database you can write"
        ) from error


@cache
def _opened(url: str) -> RDBStorage:
    if not url.startswith(_SQLITE):
        return RDBStorage(url)
    path = Path(url.removeprefix(_SQLITE))
    path.parent.mkdir(parents=True, exist_ok=True)
    with alone(path):
        storage = RDBStorage(url, engine_kwargs={"connect_args": {"timeout": _PATIENCE}})
    sqlalchemy.event.listen(storage.engine, "connect", _settle)
    sqlalchemy.event.listen(storage.engine, "begin", _lock)
    storage.engine.dispose()  # connections made from here on are settled
    with storage.engine.connect() as connection:
        connection.execute(sqlalchemy.text("CREATE TABLE IF NOT EXISTS writable (x INTEGER)"))
        connection.rollback()
    return storage


def _settle(connection: sqlite3.Connection, _: Any) -> None:
    """A write-ahead log: ten times faster, readers do not wait, and a killed process leaves nothing half written."""
    connection.isolation_level = None  # else the driver begins transactions in its own way
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


def _lock(connection: sqlalchemy.Connection) -> None:
    """One that reads and then writes has to lock first: two at once could neither go on, whatever their patience."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def deletion(url: str, study: str) -> str:
    """The command that deletes a study."""
    return shlex.join(["optuna", "delete-study", "--storage", redacted(url), "--study-name", study])
