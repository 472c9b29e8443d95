"""A store that cannot be used: for how long it is asked, and what is said of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from harness.redact import redacted

TROUBLE = (OSError, MlflowException, SQLAlchemyError)
_RETRIES, _TIMEOUT = "MLFLOW_HTTP_REQUEST_MAX_RETRIES", "MLFLOW_HTTP_REQUEST_TIMEOUT"
_REFUSED = {"UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED", "PERMISSION_DENIED"}
_SHORT = {  # MLflow names its own call, and then the library below it each of its attempts
    "Connection refused": "connection refused",
    "Failed to resolve": "no such host",
    "failed with timeout": "no answer in time",
    "ReadTimeoutError": "no answer in time",
    "ConnectTimeoutError": "no answer in time",
    "not authenticated": "wrong user or password, or none",
    "attempt to write a readonly database": "it is read-only",
    "database or disk is full": "the disk is full",
    "out-of-date database schema": "another version of MLflow made it",
}
_ACCOUNT = "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD to an account that may write there"
_SCHEMA = "if an older one, copy it and run `mlflow db upgrade URI`; if a newer one, install the newer MLflow"


@contextmanager
def bounded(*, retries: int, timeout: float) -> Iterator[None]:
    """A server is asked ``1 + retries`` times, each for ``timeout`` seconds; MLflow's own variables win where set.

    MLflow's own limits, seven retries of 120 seconds, let a run stand still for minutes at each of its calls.
    """
    chosen = {_RETRIES: str(retries), _TIMEOUT: str(max(1, round(timeout)))}
    added = {name: value for name, value in chosen.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def reason(error: BaseException) -> str:
    """What happened, in one line without passwords."""
    text = str(error).strip() or type(error).__name__
    line = next((short for sign, short in _SHORT.items() if sign in text), text.splitlines()[0])
    return redacted(line if len(line) <= 300 else f"{line[:299]}…")


def remedy(error: BaseException) -> str:
    """What a user can do about it."""
    if isinstance(error, MlflowException) and error.error_code in _REFUSED:
        return _ACCOUNT
    if "out-of-date database schema" in str(error):
        return _SCHEMA
    return "set tracking.uri to a store you can write"
