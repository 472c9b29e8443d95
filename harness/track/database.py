"""The local database of runs: made as a whole or not at all."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from mlflow import MlflowClient
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from harness.alone import alone
from harness.types import InputError

SQLITE = "sqlite:///"
_MAKING = ".making"
_PATIENCE = 60.0  # seconds for which a process waits while another writes


def open_database(path: Path, *, make: bool) -> MlflowClient:
    """A client of the database ``path`` (absolute); where there is none it is made, or refused with ``make=False``.

    Raises
    ------
    InputError : there is none, or what is there is no database of MLflow.
    OSError : the folder cannot be written.
    """
    if path.is_file() and path.stat().st_size:
        _check(path)
    elif path.exists() and not path.is_file():
        raise InputError(f"tracking: {path} is no file; set tracking.uri to sqlite:///PATH of a database file")
    elif not make and not path.exists():
        raise InputError(f"tracking: there is no database {path}; record a run first, or set another --uri")
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        with alone(path):
            if not path.is_file() or not path.stat().st_size:
                _make(path)
    return MlflowClient(tracking_uri=f"{SQLITE}{path}")


def _make(path: Path) -> None:
    """Under another name until it is whole: MLflow makes its tables by dozens of migrations, each for itself."""
    making = path.with_name(f"{path.name}{_MAKING}")
    for left in path.parent.glob(f"{making.name}*"):
        left.unlink()  # of a process that was killed
    store = SqlAlchemyStore(f"{SQLITE}{making}", "./mlruns")  # type: ignore[no-untyped-call]
    store.engine.dispose()
    making.rename(path)


def _check(path: Path) -> None:
    """Refuses at once what MLflow would try to open for an hour."""
    kept = f"move it away (runs are then recorded into a new one), or set tracking.uri to another; got {path}"
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=_PATIENCE)) as connection:
            names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            known = connection.execute("SELECT 1 FROM alembic_version").fetchall() if "alembic_version" in names else []
    except sqlite3.OperationalError as error:
        raise OSError(str(error)) from error
    except sqlite3.DatabaseError as error:
        raise InputError(f"tracking: the file of runs is no database, or damaged ({error}); {kept}") from error
    if not known:
        raise InputError(f"tracking: the file of runs is no database of MLflow, or its making was cut off; {kept}")
