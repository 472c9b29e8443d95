"""A client of a server whose calls end in time, whatever the server sends."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from harness.tracking.errors import limits

Answer = TypeVar("Answer")
_SLOWEST = 50_000  # bytes per second that a line carries at least: files may take longer than other calls
_MARGIN = 0.5  # seconds after which a call is given up that MLflow's own limit, between two bytes, did not end
_WAIT = 1.0  # seconds before the second attempt; twice as long before each further one
_UNREACHED = ("failed with exception", "failed with timeout")  # MLflow's words where no answer came


class ServerClient:
    """Calls of an MLflow client, each given up after its seconds (:func:`harness.tracking.errors.request_limits`).

    The limits that MLflow knows are for the time between two bytes: a server that sends one byte a second is waited
    for without end.
    """

    def __init__(self, uri: str) -> None:
        self._client = MlflowClient(tracking_uri=uri)

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._client, name)
        return partial(_tried, attribute, name) if callable(attribute) else attribute


def client_of(uri: str) -> MlflowClient:
    """Return a client for an address: of a server one whose calls end in time."""
    if not uri.startswith(("http://", "https://")):
        return MlflowClient(tracking_uri=uri)
    return cast(MlflowClient, ServerClient(uri))


def within(seconds: float, call: Callable[[], Answer]) -> Answer:
    """Return what ``call`` returns, or raise what it raises, unless that takes longer.

    The call goes on in a thread of its own, which nobody waits for and which does not outlive the process.

    Raises
    ------
    TimeoutError : it took longer.
    """
    answers: list[Answer] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            answers.append(call())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=contextvars.copy_context().run, args=(work,), daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not answers:
        raise TimeoutError("no answer in time")
    return answers[0]


def repeated(call: Callable[[], Answer], *, n_bytes: float = 0) -> Answer:
    """Return what ``call`` returns, within the limits set by :func:`harness.tracking.errors.request_limits`.

    Parameters
    ----------
    n_bytes : of files that go over the line, which takes its time.

    Raises
    ------
    TimeoutError : no whole answer came in time; this is not tried again.
    MlflowException : the server was not reached, or refused.
    """
    retries, seconds = limits()
    seconds += _MARGIN + n_bytes / _SLOWEST
    for attempt in range(retries):
        try:
            return within(seconds, call)
        except MlflowException as error:
            if not any(sign in str(error) for sign in _UNREACHED):
                raise
        time.sleep(_WAIT * 2**attempt)
    return within(seconds, call)


def _tried(method: Callable[..., Any], name: str, *arguments: Any, **named: Any) -> Any:
    return repeated(partial(method, *arguments, **named), n_bytes=_sent_bytes(name, arguments))


def _sent_bytes(name: str, arguments: tuple[Any, ...]) -> int:
    """Return the size of the files among the arguments of ``log_artifacts`` and ``log_text``."""
    if name == "log_text":
        return len(str(arguments[1]).encode())
    if name != "log_artifacts":
        return 0
    return sum(path.stat().st_size for path in Path(arguments[1]).rglob("*") if path.is_file())
