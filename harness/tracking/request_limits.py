"""Time limits and repeats of requests to a tracking server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_RETRIES, _TIMEOUT = "MLFLOW_HTTP_REQUEST_MAX_RETRIES", "MLFLOW_HTTP_REQUEST_TIMEOUT"
# MLflow's own limits, seven retries of 120 seconds, would let a run stand still for minutes at each request, and count
# the time between two bytes only. server_client ends and repeats requests in its place.
_WITHOUT_LIMITS = {_RETRIES: "0", _TIMEOUT: "86400"}
_limits: ContextVar[tuple[int, float]] = ContextVar("_limits", default=(0, 60.0))


def leave_limits_to_this_program() -> None:
    """Set MLflow's own limits for this process, once and before there are threads; variables of the user stay."""
    for name, value in _WITHOUT_LIMITS.items():
        os.environ.setdefault(name, value)


@contextmanager
def request_limits(*, retries: int, timeout: float) -> Iterator[None]:
    """Send each request of the block up to ``1 + retries`` times, and wait ``timeout`` seconds for each answer.

    MLflow's variables win if the user has set them.
    """
    token = _limits.set(_with_user_variables(retries, timeout))
    try:
        yield
    finally:
        _limits.reset(token)


def limits() -> tuple[int, float]:
    """Return how often a request is repeated, and the seconds for each attempt."""
    return _limits.get()


def _with_user_variables(retries: int, timeout: float) -> tuple[int, float]:
    """Return :func:`limits`; if the user set MLflow's retries, MLflow repeats, and the seconds are those of all."""
    seconds = max(timeout, _user_number(_TIMEOUT) or 0)
    repeats = _user_number(_RETRIES)
    if repeats is None:
        return retries, seconds
    return 0, (1 + repeats) * seconds + 2 * 2**repeats  # MLflow waits 2, 4, 8 ... seconds between its attempts


def _user_number(name: str) -> int | None:
    text = os.environ.get(name, "")
    return None if text == _WITHOUT_LIMITS[name] or not text.isdigit() else int(text)
