"""Processes that help this one: fresh, kept for the next call, and gone when this one is."""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context, parent_process

from threadpoolctl import threadpool_limits


@cache
def processes(n: int, purpose: str) -> ProcessPoolExecutor:  # noqa: ARG001 - a part of the cache's key
    """``n`` fresh processes of one thread each, not forks: threads and locks would be copied in any state.

    Each ``purpose`` has its own, so that none waits for another's work.
    They take seconds to start and stay for the next call; ``processes.cache_clear()`` after one was killed.
    """
    return ProcessPoolExecutor(n, mp_context=get_context("spawn"), initializer=_settle)


def _settle() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is interrupted, and says so
    threadpool_limits(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """One whose parent was killed would work, or wait, for ever."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
