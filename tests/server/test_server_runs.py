"""Runs against an MLflow server over HTTP, with PostgreSQL behind it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from command import SMALL, run_command, run_compare, runs_of, table_of
from mlflow import MlflowClient
from mlflow.entities import Run
from places import ROOT
from servers import MlflowServer, Postgres

KEY = "dmso_vs_treated/logistic/auroc"


def stored(server: MlflowServer, experiment: str) -> dict[str, Run]:
    client = MlflowClient(server.uri)
    found = client.get_experiment_by_name(experiment)
    return {str(run.info.run_name): run for run in client.search_runs([found.experiment_id])}


def test_a_run_over_http_is_what_a_local_one_is(place: Path, server: MlflowServer) -> None:
    """Metrics, tables and pictures go through the server; ``compare`` reads them from there."""
    options = [word for word in SMALL if not word.startswith("figure")]
    options += ["figure=[umap,explorer]", "tracking.experiment=http"]
    for uri in (server.uri, "sqlite:///mlruns/mlflow.db"):
        outcome = run_command(place, "+norm=dmso_within", *options, f"tracking.uri={uri}")
        assert outcome.status == 0, outcome.err
    run, local = stored(server, "http")["dmso_within"], runs_of(place, "http")["dmso_within"]
    assert run.info.status == "FINISHED"
    assert str(run.info.artifact_uri).startswith("mlflow-artifacts:")
    metrics, expected = (
        {key: value for key, value in r.data.metrics.items() if not key.startswith("time/")} for r in (run, local)
    )
    assert KEY in metrics
    assert metrics == expected
    assert run.data.params == local.data.params
    client = MlflowClient(server.uri)
    scores = pd.read_parquet(client.download_artifacts(run.info.run_id, "tables/scores.parquet", str(place)))
    pd.testing.assert_frame_equal(scores, table_of(place, local, "scores"))
    page = Path(client.download_artifacts(run.info.run_id, "explorer.html", str(place))).read_bytes()
    assert page == (place / "mlruns/artifacts" / local.info.run_id / "artifacts/explorer.html").read_bytes()
    images = [re.split(r"\W", f.path)[2] for f in client.list_artifacts(run.info.run_id, "images")]
    assert images.count("umap") == 2
    shown = run_compare(place, "http", "--uri", server.uri)
    assert shown.status == 0, shown.err
    assert f"{run.data.metrics[KEY]:.3f}" in shown.out
    assert list((place / "mlruns/outbox").iterdir()) == []


def test_two_processes_record_at_once(place: Path, server: MlflowServer) -> None:
    def begin(norm: str) -> subprocess.Popen[str]:
        words = [f"+norm={norm}", *SMALL, f"tracking.uri={server.uri}", "tracking.experiment=two"]
        return subprocess.Popen(
            [sys.executable, "-m", "harness", *words],
            cwd=place,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stderr=subprocess.PIPE,
            text=True,
        )

    processes = [begin("raw"), begin("all_within")]
    said = [process.communicate(timeout=600)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    runs = stored(server, "two")
    assert {name: run.info.status for name, run in runs.items()} == {"raw": "FINISHED", "all_within": "FINISHED"}
    assert runs["raw"].data.metrics[KEY] != runs["all_within"].data.metrics[KEY]


def test_two_processes_tune_on_one_study_in_postgresql_and_it_is_resumed(place: Path, postgres: Postgres) -> None:
    """The database of studies takes no password from the configuration: it stands in the environment."""
    url = postgres.database("optuna")
    bare = url.replace(f":{postgres.password}", "")
    tuned = ("+norm=dmso_within", *SMALL, "tuning=optuna", "tuning.inner_folds=2", "tuning.log_trials=false")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PGPASSWORD", postgres.password)
        for n, workers in ((2, 2), (4, 2)):
            settings = (f"tuning.n_trials={n}", f"tuning.workers={workers}", f"tuning.storage={bare}")
            outcome = run_command(place, *tuned, *settings)
            assert outcome.status == 0, outcome.err
            trials = table_of(place, runs_of(place)["dmso_within"], "tuning_trials")
            assert set(trials.groupby("fold")["number"].nunique()) == {n}
            if n == 2:
                first = trials.set_index(["fold", "number"])["value"]
    resumed = trials.set_index(["fold", "number"])["value"]
    pd.testing.assert_series_equal(resumed.loc[first.index], first)
    wrong = run_command(place, *tuned, f"tuning.storage={url.replace(postgres.password, 'guess')}")
    assert wrong.status == 2
    assert wrong.line.startswith("harness: dmso_within: tuning.storage=postgresql+psycopg://lab:***@")
    assert "guess" not in wrong.err
