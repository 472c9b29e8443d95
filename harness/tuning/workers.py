"""Several processes on one study."""

from __future__ import annotations

import os
import pickle
import signal
import tempfile
import threading
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from multiprocessing import get_context, parent_process
from pathlib import Path

from threadpoolctl import threadpool_limits

from harness.tuning.study import Worker
from harness.types import InputError


def work(worker: Worker, n: int) -> float:
    """Let ``n`` processes of one thread each, or this one, make the trials; returns their seconds of training.

    The data are written once, to a file that every process reads. The processes stay for the next study, because
    they take seconds to start.

    Raises
    ------
    InputError : a process was killed, e.g. for want of memory.
    """
    if n == 1:
        return worker.run()
    with tempfile.TemporaryDirectory(prefix="harness-") as folder:
        path = Path(folder) / "worker.pickle"
        path.write_bytes(pickle.dumps(worker, protocol=pickle.HIGHEST_PROTOCOL))
        try:
            return sum(list(_processes(n).map(_run, [str(path)] * n)))
        except BrokenProcessPool as error:
            _processes.cache_clear()
            raise InputError(
                f"tuning: one of {n} processes was killed; use fewer (tuning.workers) where memory is short, and "
                "start again: the study goes on where it was"
            ) from error


@cache
def _processes(n: int) -> ProcessPoolExecutor:
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


def _run(path: str) -> float:
    worker: Worker = pickle.loads(Path(path).read_bytes())  # written by the parent, in a folder of its own
    return worker.run()
