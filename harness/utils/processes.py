"""Processes that help this one: fresh, kept for the next call, and gone when this one is."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from functools import cache
from importlib import import_module
from multiprocessing import get_context, parent_process
from typing import ParamSpec, TypeVar

from threadpoolctl import threadpool_limits

from harness.utils.interruption import block_signals

_WITH_THREADS = ("scipy.linalg", "sklearn.utils")  # a limit holds for libraries that are loaded when it is set
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class _Helpers(ProcessPoolExecutor):
    """Processes that begin when there is work for them; the parent is interrupted, and ends them."""

    def submit(
        self, work: Callable[Arguments, Result], /, *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Future[Result]:
        with block_signals():
            return super().submit(work, *args, **kwargs)


@cache
def processes(n: int, purpose: str) -> ProcessPoolExecutor:  # noqa: ARG001 - a part of the cache's key
    """Return ``n`` fresh processes of one thread each, not forks: threads and locks would be copied in any state.

    Each ``purpose`` has its own, so that none waits for another's work.
    They take seconds to start and stay for the next call; ``processes.cache_clear()`` after one was killed.
    """
    return _Helpers(n, mp_context=get_context("spawn"), initializer=_settle)


def _settle() -> None:
    if os.name == "nt":
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    for library in _WITH_THREADS:
        import_module(library)
    threadpool_limits(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """One whose parent was killed would work, or wait, for ever."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
