"""Find previous runs of the same configuration, and end those whose process no longer exists."""

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
from harness.utils.process_identity import has_ended
from harness.utils.sqlite_url import SQLITE

RUN_KEY, PROCESS = "run_key", "process"  # tags of a run
_RESULT = f"tables/{table_names.SCORES}.parquet"  # every finished run has it
PROCESS_ENDED = "cut off"


@dataclass(frozen=True)
class PreviousRun:
    """An earlier run with the same key.

    Attributes
    ----------
    status : FINISHED, FAILED, KILLED, or RUNNING if another machine may still run it.
    failure : why it did not finish; empty if it did.
    ended : when it finished; None if it did not.
    summary : the first line of the run's description.
    host : the machine it runs or ran on.
    """

    run_id: str
    status: str
    failure: str
    ended: datetime | None
    summary: str
    host: str


def find_previous_runs(tracking: Tracking, key: str) -> list[PreviousRun]:
    """Return runs of the experiment with the tag ``run_key``, newest first; none if nothing was ever recorded.

    Raises
    ------
    InputError : the store cannot be reached.
    """
    return [_previous_run(run) for run in _search(tracking, f"tags.{RUN_KEY} = '{key}'")[1]]


def has_results(tracking: Tracking, run_id: str) -> bool:
    """Return whether the files of a finished run still exist.

    Raises
    ------
    InputError : the store cannot be reached.
    """
    client = tracking.open(make=False)
    with tracking.usable():
        return _RESULT in [file.path for file in client.list_artifacts(run_id, str(Path(_RESULT).parent))]


def close_orphaned_runs(tracking: Tracking) -> None:
    """End runs that are marked as running although their process has ended, and the trials below them.

    They become KILLED, with the tag ``failure``.

    Raises
    ------
    InputError : the store cannot be reached or written.
    """
    client, running = _search(tracking, "attributes.status = 'RUNNING'")
    orphaned = {run.info.run_id for run in running if PROCESS in run.data.tags and has_ended(_process(run))}
    running_ids = {run.info.run_id for run in running}
    for run in running:
        parent = run.data.tags.get("mlflow.parentRunId")
        if run.info.run_id in orphaned or parent in orphaned or (parent is not None and parent not in running_ids):
            assert client is not None
            client.set_tag(run.info.run_id, "failure", PROCESS_ENDED)
            client.set_terminated(run.info.run_id, "KILLED")


def _search(tracking: Tracking, query: str) -> tuple[MlflowClient | None, Sequence[Run]]:
    if tracking.local and not os.path.lexists(tracking.uri.removeprefix(SQLITE)):
        return None, []
    client = tracking.open(make=False)
    with tracking.usable():
        experiment = client.get_experiment_by_name(tracking.experiment)
        if experiment is None:
            return client, []
        return client, client.search_runs([experiment.experiment_id], query, order_by=["attributes.start_time DESC"])


def _process(run: Run) -> list[str]:
    return str(run.data.tags[PROCESS]).split()


def _previous_run(run: Run) -> PreviousRun:
    tags, end = run.data.tags, run.info.end_time
    return PreviousRun(
        run_id=str(run.info.run_id),
        status=str(run.info.status),
        failure=tags.get("failure", ""),
        ended=None if end is None else datetime.fromtimestamp(end / 1000),
        summary=tags.get("mlflow.note.content", "").partition("\n")[0],
        host=_process(run)[0] if PROCESS in tags else "",
    )
