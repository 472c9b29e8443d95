"""An MLflow client whose requests end in time, whatever the server sends."""

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

from harness.tracking.request_limits import leave_limits_to_this_program, limits

Answer = TypeVar("Answer")
_SLOWEST = 50_000  # bytes per second of the slowest connection: files may take longer than other requests
_MARGIN = 0.5  # seconds beyond the limit before a request is given up
_WAIT = 1.0  # seconds before the second attempt; twice as long before each further one
_UNREACHED = ("failed with exception", "failed with timeout")  # MLflow's words if no answer came


class ServerClient:
    """An MLflow client whose requests are given up after :func:`harness.tracking.request_limits.request_limits`.

    MLflow limits the time between two bytes: it would wait without end for a server that sends one byte a second.
    """

    def __init__(self, uri: str) -> None:
        leave_limits_to_this_program()
        self._client = MlflowClient(tracking_uri=uri)

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._client, name)
        return partial(_call, attribute, name) if callable(attribute) else attribute


def client_of(uri: str) -> MlflowClient:
    """Return a client for an address; requests to a server end in time."""
    if not uri.startswith(("http://", "https://")):
        return MlflowClient(tracking_uri=uri)
    return cast(MlflowClient, ServerClient(uri))


def call_within(seconds: float, call: Callable[[], Answer]) -> Answer:
    """Return the result of ``call``, or raise its error, unless it takes longer than ``seconds``.

    The call continues in a daemon thread that nobody waits for.

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


def with_retries(call: Callable[[], Answer], *, n_bytes: float = 0) -> Answer:
    """Return the result of ``call``, repeated and ended by :func:`harness.tracking.request_limits.request_limits`.

    Parameters
    ----------
    n_bytes : size of the files that are transferred, which extends the time limit.

    Raises
    ------
    TimeoutError : no whole answer came in time; the request is not repeated.
    MlflowException : the server was not reached, or refused.
    """
    retries, seconds = limits()
    seconds += _MARGIN + n_bytes / _SLOWEST
    for attempt in range(retries):
        try:
            return call_within(seconds, call)
        except MlflowException as error:
            if not any(sign in str(error) for sign in _UNREACHED):
                raise
        time.sleep(_WAIT * 2**attempt)
    return call_within(seconds, call)


def _call(method: Callable[..., Any], name: str, *arguments: Any, **named: Any) -> Any:
    return with_retries(partial(method, *arguments, **named), n_bytes=_sent_bytes(name, arguments))


def _sent_bytes(name: str, arguments: tuple[Any, ...]) -> int:
    """Return the size of the files among the arguments of ``log_artifacts`` and ``log_text``."""
    if name == "log_text":
        return len(str(arguments[1]).encode())
    if name != "log_artifacts":
        return 0
    return sum(path.stat().st_size for path in Path(arguments[1]).rglob("*") if path.is_file())
