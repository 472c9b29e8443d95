"""Persistent pools of spawned single-threaded workers that exit with their parent, and tasks that run in them."""

from __future__ import annotations

import os
import pickle
import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import cache, lru_cache
from importlib import import_module
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from threadpoolctl import threadpool_limits

from harness.utils.interruption import block_signals
from harness.utils.temporary_folder import temporary_folder, writing_to

RunTask = Callable[[str], Any]
Caught = list[tuple[type[Warning], str, str, int]]  # category, text, file and line of each warning
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
_WITH_THREADS = ("scipy.linalg", "sklearn.utils")  # a limit holds for libraries that are loaded when it is set


class _WorkerPool(ProcessPoolExecutor):
    """Processes that start when there is work for them; an interrupt reaches the parent, which ends them."""

    def submit(
        self, work: Callable[Arguments, Result], /, *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Future[Result]:
        with block_signals():
            return super().submit(work, *args, **kwargs)


@cache
def worker_pool(n: int, purpose: str) -> ProcessPoolExecutor:  # noqa: ARG001 - a part of the cache's key
    """Return a pool of ``n`` spawned processes of one thread each; forks would copy threads and locks in any state.

    Each ``purpose`` has its own pool, so that none waits for another's tasks. Processes take seconds to start and stay
    for the next call; call ``worker_pool.cache_clear()`` after one was killed.
    """
    return _WorkerPool(n, mp_context=get_context("spawn"), initializer=_initialize_worker)


def _initialize_worker() -> None:
    if os.name == "nt":
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    for library in _WITH_THREADS:
        import_module(library)
    threadpool_limits(1)
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent() -> None:
    """Exit when the parent does, even if it was killed; an orphan would run or block forever."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


class BackgroundTasks:
    """Named tasks that were submitted in order; one that has not started when its result is requested is taken back.

    Attributes
    ----------
    run_here : runs a task in this process: name to result. The workers build their own from the same payload.
    """

    def __init__(self, run_here: RunTask, submitted: dict[str, Future[tuple[Any, Caught]]]) -> None:
        self.run_here = run_here
        self._submitted = submitted

    def results(self, names: Sequence[str]) -> Iterator[tuple[str, Any]]:
        """Yield name and result of each task as it is done.

        First the tasks that were not submitted, in this process; then unstarted ones, taken back from the end of the
        queue; then those that run in workers.
        """
        pending = [name for name in names if name in self._submitted]
        for name in names:
            if name not in self._submitted:
                yield name, self.run_here(name)
        for name in [n for n in reversed(pending) if self._submitted[n].cancel()]:
            pending.remove(name)
            yield name, self.run_here(name)
        for name in pending:
            yield name, self._fetch(name)

    def _fetch(self, name: str) -> Any:
        try:
            result, caught = self._submitted[name].result()
        except BrokenProcessPool:
            warnings.warn(f"a worker process ended unexpectedly; {name} is run again in this process", stacklevel=2)
            worker_pool.cache_clear()
            return self.run_here(name)
        for category, text, filename, line in caught:
            warnings.warn_explicit(text, category, filename, line)
        return result


@contextmanager
def background_tasks(
    make_runner: Callable[..., RunTask], *payload: Any, run_here: RunTask, names: Sequence[str], n_workers: int
) -> Iterator[BackgroundTasks]:
    """Start ``make_runner(*payload)(name)`` for each of ``names`` in worker processes; start none if there are none.

    ``make_runner`` and ``payload`` are pickled once for all tasks; memory maps travel as the paths of their files.
    Each worker keeps the last ``make_runner(*payload)``. Tasks that have not started are cancelled after the block.
    """
    if n_workers < 1 or not names:
        yield BackgroundTasks(run_here, {})
        return
    with _pickled((make_runner, payload)) as path:
        submitted = {name: worker_pool(n_workers, "checks").submit(_run_task, path, name) for name in names}
        try:
            yield BackgroundTasks(run_here, submitted)
        finally:
            for future in submitted.values():
                future.cancel()


def run_copies(task: Callable[[], Result], n_workers: int, purpose: str) -> list[Result]:
    """Run ``task`` once in each of ``n_workers`` processes at the same time; return their results.

    The task is pickled once, to a file that every process reads.

    Raises
    ------
    BrokenProcessPool : a worker was killed; the next call starts new ones.
    """
    with _pickled(task) as path:
        try:
            return list(worker_pool(n_workers, purpose).map(_run_copy, [path] * n_workers))
        except BrokenProcessPool:
            worker_pool.cache_clear()
            raise


@contextmanager
def _pickled(content: Any) -> Iterator[str]:
    """Yield the path of a pickle in a private temporary folder, removed after the block."""
    with temporary_folder() as folder:
        path = folder / "payload.pickle"
        with writing_to(folder):
            path.write_bytes(pickle.dumps(content, protocol=pickle.HIGHEST_PROTOCOL))
        yield str(path)


@lru_cache(maxsize=1)
def _runner(path: str) -> RunTask:
    make_runner, payload = pickle.loads(Path(path).read_bytes())  # written by the parent, in a private folder
    runner: RunTask = make_runner(*payload)
    return runner


def _run_task(path: str, name: str) -> tuple[Any, Caught]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = _runner(path)(name)
    return result, [(w.category, str(w.message), w.filename, w.lineno) for w in caught]


def _run_copy(path: str) -> Any:
    return pickle.loads(Path(path).read_bytes())()  # written by the parent, in a private folder
