"""Error messages for a tracking store that cannot be reached or written."""

from __future__ import annotations

from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from harness.utils.file_kinds import is_working_folder_deleted
from harness.utils.redaction import redacted

STORE_ERRORS = (OSError, MlflowException, SQLAlchemyError)
_REFUSED = {"UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED", "PERMISSION_DENIED"}
_LOCKED = "another process holds it locked"
_SHORT = {  # MLflow names its own request, and the library below it each of its attempts
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


def short_reason(error: BaseException) -> str:
    """Return what happened, in one line without passwords."""
    if is_working_folder_deleted():
        return "the working folder was deleted"
    text = str(error).strip() or type(error).__name__
    line = next((short for sign, short in _SHORT.items() if sign in text), text.splitlines()[0])
    return redacted(line if len(line) <= 300 else f"{line[:299]}…")


def suggest_fix(error: BaseException) -> str:
    """Return advice on how to get past an error."""
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
