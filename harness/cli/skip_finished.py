"""Whether an evaluation is to be made: what is finished is skipped, what failed or was cut off is made again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from omegaconf import DictConfig

from harness.cli.sweep_counts import count
from harness.run.checkpoint.checkpoint import prepare_folder, remove_superseded, run_lock
from harness.run.checkpoint.keys import RunKey
from harness.tracking.run_lookup import PROCESS_ENDED, PreviousRun, close_orphaned_runs, find_previous_runs, has_results
from harness.tracking.tracking import Tracking


@contextmanager
def acquire_evaluation(cfg: DictConfig, tracking: Tracking, name: str, asked: RunKey) -> Iterator[bool]:
    """Whether the caller is to evaluate; says what was found. Another process that does the same is waited for.

    Raises
    ------
    InputError : the tracking store cannot be reached, or the folder of units not be written.
    """
    if not cfg.resume:
        with _counted("new"):
            yield True
        return
    units = Path(cfg.units)
    prepare_folder(units)
    with run_lock(units, asked, on_wait=lambda: print(f"waiting: another process evaluates {name}", flush=True)):
        close_orphaned_runs(tracking)
        earlier = find_previous_runs(tracking, asked.run_key)
        finished = next((attempt for attempt in earlier if attempt.status == "FINISHED"), None)
        whole = finished is not None and has_results(tracking, finished.run_id)
        if finished is not None and whole and not cfg.force:
            assert finished.ended is not None
            remove_superseded(units, asked, finished.ended)
            print(f"skipped: {name} is {_finished(finished)}; force=true runs it again\n{finished.summary}", flush=True)
            count("skipped")
            yield False
            return
        if earlier:
            files_gone = "" if whole or finished is None else ", but its files are gone"
            print(f"again: {name} {_described(finished or earlier[0])}{files_gone}", flush=True)
        with _counted("again" if earlier else "new"):
            yield True


@contextmanager
def _counted(outcome: str) -> Iterator[None]:
    try:
        yield
    except BaseException:
        count("failed")
        raise
    count(outcome)


def _finished(attempt: PreviousRun) -> str:
    return f"finished as run {attempt.run_id} ({attempt.ended:%Y-%m-%d %H:%M})"


def _described(attempt: PreviousRun) -> str:
    if attempt.status == "FINISHED":
        return f"is {_finished(attempt)}"
    if attempt.status == "RUNNING":
        return f"is shown as running on {attempt.host or 'an unknown machine'} as run {attempt.run_id}"
    if attempt.failure == PROCESS_ENDED:
        return f"was cut off as run {attempt.run_id}"
    how = "failed" if attempt.status == "FAILED" else "was interrupted"
    return f"{how} as run {attempt.run_id} ({attempt.failure})"
