"""Several processes on one study."""

from __future__ import annotations

import pickle
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from harness.core.exceptions import InputError
from harness.tuning.engine.study import StudyWorker
from harness.utils.processes import processes
from harness.utils.temporary_folder import temporary_folder, writing_to


def work(worker: StudyWorker, n: int) -> float:
    """Let ``n`` processes of one thread each, or this one, make the trials; returns their seconds of training.

    The data are written once, to a file that every process reads. The processes stay for the next study, because
    they take seconds to start.

    Raises
    ------
    InputError : a process was killed, e.g. for want of memory.
    """
    if n == 1:
        return worker.run()
    with temporary_folder() as folder:
        path = folder / "worker.pickle"
        with writing_to(folder):
            path.write_bytes(pickle.dumps(worker, protocol=pickle.HIGHEST_PROTOCOL))
        try:
            return sum(list(processes(n, "trials").map(_run, [str(path)] * n)))
        except BrokenProcessPool as error:
            processes.cache_clear()
            raise InputError(
                f"tuning: one of {n} processes was killed; use fewer (tuning.workers) where memory is short, and "
                "start again: the study goes on where it was"
            ) from error


def _run(path: str) -> float:
    worker: StudyWorker = pickle.loads(Path(path).read_bytes())  # written by the parent, in a folder of its own
    return worker.run()
