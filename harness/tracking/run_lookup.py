"""Earlier attempts at a run: which finished, which failed, and which are shown as running though nobody runs them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run

from harness.core import table_names
from harness.tracking.tracking import Tracking
from harness.utils.process_identity import gone
from harness.utils.sqlite_url import SQLITE

RUN_KEY, PROCESS = "run_key", "process"  # tags of a run
_RESULT = f"tables/{table_names.SCORES}.parquet"  # every finished run has it
CUT_OFF = "cut off"


@dataclass(frozen=True)
class PreviousRun:
    """A run of the key that is asked for.

    Attributes
    ----------
    status : FINISHED, FAILED, KILLED or, where another machine may be at it, RUNNING.
    failure : why it did not finish; empty where it did.
    ended : None where it did not.
    summary : the first line of what the run says of itself.
    host : the machine it runs or ran on.
    """

    run_id: str
    status: str
    failure: str
    ended: datetime | None
    summary: str
    host: str


def find_previous_runs(tracking: Tracking, key: str) -> list[PreviousRun]:
    """Return runs of the experiment with the tag ``run_key``, newest first; none where nothing was ever recorded.

    Raises
    ------
    InputError : the store cannot be reached.
    """
    return [_attempt(run) for run in _runs(tracking, f"tags.{RUN_KEY} = '{key}'")[1]]


def has_results(tracking: Tracking, run_id: str) -> bool:
    """Return whether the files of a finished run are still there.

    Raises
    ------
    InputError : the store cannot be reached.
    """
    client = tracking.open(make=False)
    with tracking.usable():
        return _RESULT in [file.path for file in client.list_artifacts(run_id, str(Path(_RESULT).parent))]


def close_orphaned_runs(tracking: Tracking) -> None:
    """End runs that are marked as running though their process is gone, and the trials below them.

    They become KILLED with tag ``failure``: no run is shown as running that is not.

    Raises
    ------
    InputError : the store cannot be reached or written.
    """
    client, running = _runs(tracking, "attributes.status = 'RUNNING'")
    lost = {run.info.run_id for run in running if PROCESS in run.data.tags and gone(_process(run))}
    known = {run.info.run_id for run in running}
    for run in running:
        above = run.data.tags.get("mlflow.parentRunId")
        if run.info.run_id in lost or above in lost or (above is not None and above not in known):
            assert client is not None
            client.set_tag(run.info.run_id, "failure", CUT_OFF)
            client.set_terminated(run.info.run_id, "KILLED")


def _runs(tracking: Tracking, wanted: str) -> tuple[MlflowClient | None, Sequence[Run]]:
    if tracking.local and not os.path.lexists(tracking.uri.removeprefix(SQLITE)):
        return None, []
    client = tracking.open(make=False)
    with tracking.usable():
        experiment = client.get_experiment_by_name(tracking.experiment)
        if experiment is None:
            return client, []
        return client, client.search_runs([experiment.experiment_id], wanted, order_by=["attributes.start_time DESC"])


def _process(run: Run) -> list[str]:
    return str(run.data.tags[PROCESS]).split()


def _attempt(run: Run) -> PreviousRun:
    tags, end = run.data.tags, run.info.end_time
    return PreviousRun(
        run_id=str(run.info.run_id),
        status=str(run.info.status),
        failure=tags.get("failure", ""),
        ended=None if end is None else datetime.fromtimestamp(end / 1000),
        summary=tags.get("mlflow.note.content", "").partition("\n")[0],
        host=_process(run)[0] if PROCESS in tags else "",
    )
