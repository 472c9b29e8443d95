"""A store that cannot be used: for how long it is asked, and what is said of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from harness.utils.file_kinds import is_working_folder_deleted
from harness.utils.redaction import redacted

STORE_ERRORS = (OSError, MlflowException, SQLAlchemyError)
_RETRIES, _TIMEOUT = "MLFLOW_HTTP_REQUEST_MAX_RETRIES", "MLFLOW_HTTP_REQUEST_TIMEOUT"
_REFUSED = {"UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED", "PERMISSION_DENIED"}
_LOCKED = "another process holds it locked"
_SHORT = {  # MLflow names its own call, and then the library below it each of its attempts
    "Connection refused": "connection refused",
    "Failed to resolve": "no such host",
    "failed with timeout": "no answer in time",
    "ReadTimeoutError": "no answer in time",
    "ConnectTimeoutError": "no answer in time",
    "not authenticated": "wrong user or password, or none",
    "attempt to write a readonly database": "it is read-only",
    "database or disk is full": "the disk is full",
    "database is locked": _LOCKED,
    "database table is locked": _LOCKED,
    "out-of-date database schema": "another version of MLflow made it",
}
_ACCOUNT = "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD to an account that may write there"
_UNLOCK = "wait for that process, or end it (a copy, a backup, a viewer of the database), and run again"
_SLOW = "look whether that server is well, set tracking.timeout to more seconds, or tracking.uri to another store"
_SCHEMA = "if an older one, copy it and run `mlflow db upgrade URI`; if a newer one, install the newer MLflow"
_limits: ContextVar[tuple[int, float]] = ContextVar("_limits", default=(0, 60.0))


@contextmanager
def request_limits(*, retries: int, timeout: float) -> Iterator[None]:
    """Within the block a server is asked ``1 + retries`` times, each for ``timeout`` seconds in all.

    MLflow's own limits, seven retries of 120 seconds, let a run stand still for minutes at each of its calls; its
    variables win if they are set.
    """
    chosen = {_RETRIES: "0", _TIMEOUT: str(max(1, round(timeout)))}  # attempts are made in server_client
    added = {name: value for name, value in chosen.items() if name not in os.environ}
    token = _limits.set(_chosen_limits(retries, timeout))
    os.environ.update(added)
    try:
        yield
    finally:
        _limits.reset(token)
        for name in added:
            os.environ.pop(name, None)


def limits() -> tuple[int, float]:
    """Return how often a call is repeated, and the seconds for each attempt."""
    return _limits.get()


def _chosen_limits(retries: int, timeout: float) -> tuple[int, float]:
    """Return those of :func:`limits`. If MLflow's own variable is set it repeats by itself, in the seconds of all."""
    seconds = max(timeout, _number(os.environ.get(_TIMEOUT, "")))
    if _RETRIES not in os.environ:
        return retries, seconds
    repeats = _number(os.environ[_RETRIES])
    return 0, (1 + repeats) * seconds + 2 * 2**repeats  # seconds: MLflow waits 2, 4, 8 ... between its attempts


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0


def short_reason(error: BaseException) -> str:
    """Return what happened, in one line without passwords."""
    if is_working_folder_deleted():
        return "the working folder was deleted"
    text = str(error).strip() or type(error).__name__
    line = next((short for sign, short in _SHORT.items() if sign in text), text.splitlines()[0])
    return redacted(line if len(line) <= 300 else f"{line[:299]}…")


def suggest_fix(error: BaseException) -> str:
    """Return what a user can do about it."""
    if isinstance(error, MlflowException) and error.error_code in _REFUSED:
        return _ACCOUNT
    if "out-of-date database schema" in str(error):
        return _SCHEMA
    if is_working_folder_deleted():
        return "change into a folder that exists"
    if short_reason(error) == _LOCKED:
        return _UNLOCK
    if isinstance(error, TimeoutError):
        return _SLOW
    return "set tracking.uri to a store you can write"
