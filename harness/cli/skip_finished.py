"""Skip evaluations that are finished; re-run those that failed or were interrupted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from omegaconf import DictConfig

from harness.cli.sweep_counts import NEW, RERUN, SKIPPED
from harness.run.checkpoint.checkpoint import prepare_folder, remove_superseded, run_lock
from harness.run.checkpoint.keys import RunKey
from harness.tracking.run_lookup import PreviousRun, close_orphaned_runs, find_previous_runs, has_results
from harness.tracking.tracking import Tracking


@contextmanager
def acquire_evaluation(cfg: DictConfig, tracking: Tracking, name: str, key: RunKey) -> Iterator[str]:
    """Yield ``new``, ``re-run`` or ``skipped``, and print the reason for the latter two.

    Only one process at a time makes the same evaluation: the others wait, and then skip it.

    Raises
    ------
    InputError : the tracking store cannot be reached, or the folder of checkpoints not be written.
    """
    if not cfg.resume:
        yield NEW
        return
    units = Path(cfg.units)
    prepare_folder(units)
    with run_lock(units, key, on_wait=lambda: print(f"waiting: another process evaluates {name}", flush=True)):
        close_orphaned_runs(tracking)
        previous = find_previous_runs(tracking, key.run_key)
        finished = next((run for run in previous if run.status == "FINISHED"), None)
        is_complete = finished is not None and has_results(tracking, finished.run_id)
        if finished is not None and is_complete and not cfg.force:
            assert finished.ended is not None
            remove_superseded(units, key, finished.ended)
            print(f"skipped: {name} {_finished(finished)}; force=true re-runs it\n{finished.summary}", flush=True)
            yield SKIPPED
            return
        if previous:
            reason = _describe(finished or previous[0], is_complete=is_complete)
            print(f"re-running {name}: the previous run {reason}", flush=True)
        yield RERUN if previous else NEW


def _finished(run: PreviousRun) -> str:
    return f"finished on {run.ended:%Y-%m-%d at %H:%M} (run {run.run_id})"


def _describe(run: PreviousRun, *, is_complete: bool) -> str:
    """Return how a previous run ended, if it did."""
    if run.status == "FINISHED":
        return _finished(run) if is_complete else f"{_finished(run)}, but its files are gone"
    if run.status == "RUNNING":
        return f"is shown as running on {run.host or 'an unknown machine'} (run {run.run_id})"
    if run.status == "FAILED":
        return f"failed: {run.failure} (run {run.run_id})"
    return f"was interrupted (run {run.run_id})"
