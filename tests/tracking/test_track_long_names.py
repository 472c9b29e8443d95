"""Names from data may have any length; MLflow's databases may not take them."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.tracking.database import open_database
from harness.tracking.requests import RunHandle, TrackingRequest, send

pytestmark = pytest.mark.slow

LONG = "Woche ü/" * 1250  # 10,000 characters
TRIAL = {"title": f"lr {LONG} trial 0", "tags": {"fold": LONG}, "start": 1, "end": 2, "metrics": {}, "params": {}}


@pytest.fixture
def target(tmp_path: Path) -> RunHandle:
    client = open_database(tmp_path / "mlflow.db", make=True)
    experiment = client.create_experiment("screen")
    return RunHandle(client, client.create_run(experiment).info.run_id, experiment)


def test_a_tag_is_cut_where_the_database_ends(target: RunHandle, tmp_path: Path) -> None:
    send(TrackingRequest("tags", {"mlflow.note.content": LONG, "short": "kept"}), target, tmp_path, is_retry=False)
    tags = target.client.get_run(target.run_id).data.tags
    assert tags["short"] == "kept"
    assert tags["mlflow.note.content"] == f"{LONG[:7999]}…"


def test_a_trial_of_a_long_fold_is_made_once(target: RunHandle, tmp_path: Path) -> None:
    for again in (False, True):
        send(TrackingRequest("trial", TRIAL), target, tmp_path, is_retry=again)
    (trial,) = target.client.search_runs([target.experiment], "tags.kind = 'trial'")
    assert (len(trial.info.run_name), len(trial.data.tags["fold"])) == (250, 8000)
