"""Trials of one study in several worker processes."""

from __future__ import annotations

from concurrent.futures.process import BrokenProcessPool

from harness.core.exceptions import InputError
from harness.tuning.engine.study import StudyWorker
from harness.utils.worker_pool import run_copies


def run_trials(worker: StudyWorker, n_workers: int) -> float:
    """Run the trials of a study in ``n_workers`` processes of one thread, or in this one; return their fit seconds.

    Raises
    ------
    InputError : a process was killed, e.g. because memory was short.
    """
    if n_workers == 1:
        return worker.run()
    try:
        return sum(run_copies(worker.run, n_workers, "trials"))
    except BrokenProcessPool as error:
        raise InputError(
            f"tuning: one of {n_workers} processes was killed; if memory is short use fewer (tuning.workers), and run "
            "again: the study continues where it stopped"
        ) from error
