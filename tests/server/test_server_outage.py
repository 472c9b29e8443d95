"""A server that disappears, a run that is killed, an upload that is cut off: nothing is lost and nothing is doubled."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from command import SMALL, Outcome, run_command
from matplotlib.figure import Figure
from mlflow import MlflowClient
from mlflow.entities import Run as Stored
from places import ROOT
from servers import MlflowServer

from harness.run.evaluation_run import EvaluationRun
from harness.sync import main as sync
from harness.tracking.outbox import PendingRequest
from harness.tracking.tracking import Tracking


def runs(server: MlflowServer, experiment: str) -> list[Stored]:
    """Newest first."""
    client = MlflowClient(server.uri)
    return list(client.search_runs([client.get_experiment_by_name(experiment).experiment_id]))


def contents(server: MlflowServer, run: Stored, folder: Path) -> dict[str, Any]:
    """All that a run holds but for times: history of metrics, parameters, tags, inputs, bytes of every artifact."""
    client, run_id = MlflowClient(server.uri), run.info.run_id
    metrics = {key: client.get_metric_history(run_id, key) for key in run.data.metrics if not key.startswith("time/")}
    local = folder / run_id
    local.mkdir()
    root = Path(client.download_artifacts(run_id, "", str(local)))
    files = {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    return {
        "status": run.info.status,
        "metrics": {key: sorted((m.step, m.value) for m in history) for key, history in metrics.items()},
        "params": run.data.params,
        "tags": {key: value for key, value in run.data.tags.items() if key != "mlflow.parentRunId"},
        "inputs": [(given.dataset.name, given.dataset.digest) for given in run.inputs.dataset_inputs],
        "files": {re.sub(r"timestamp\W\d+\W[0-9a-f-]{36}", "…", name): content for name, content in files.items()},
    }


def record(place: Path, server: MlflowServer, experiment: str) -> Outcome:
    """A run from the start, whatever was recorded before."""
    options = [word for word in SMALL if not word.startswith("figure")]
    options += ["figure=[plate_correlation]", f"tracking.experiment={experiment}", f"tracking.uri={server.uri}"]
    options += ["resume=false", "tracking.retries=0", "tracking.timeout=120"]
    return run_command(place, "+norm=dmso_within", *options)


def in_the_middle(monkeypatch: pytest.MonkeyPatch, do: Callable[[], None]) -> None:
    """Do something once in a run, when its models are trained."""
    score = EvaluationRun.score

    def interrupted(self: EvaluationRun) -> pd.DataFrame:
        do()
        return score(self)

    monkeypatch.setattr(EvaluationRun, "score", interrupted)


def test_a_server_that_is_killed_in_mid_run_loses_nothing(
    place: Path, server: MlflowServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert record(place, server, "killed").status == 0
    with monkeypatch.context() as patch:
        in_the_middle(patch, server.kill)
        outcome = record(place, server, "killed")
    assert outcome.status == 2
    assert outcome.out.startswith("dmso_within (leave_batch_out): dmso_vs_treated/logistic AUROC")
    warned, said = outcome.err.splitlines()
    assert warned.startswith(f"harness: {server.uri} does not take results (")
    assert re.search(
        r"results are stored in \S+mlruns/outbox/\S+; once it does, send them with python -m harness.sync$", said
    )
    folder = ["--folder", str(place / "mlruns"), "--timeout", "5"]
    with monkeypatch.context() as patch:
        patch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        assert sync(folder) == 2
        assert "start that server, or name its new address with --uri" in capsys.readouterr().err
    server.start()
    assert [run.info.status for run in runs(server, "killed")] == ["RUNNING", "FINISHED"]
    assert sync(folder) == 0
    assert re.search(r"^dmso_within \(run \w+\): \d+ calls sent to http://\S+, FINISHED\n$", capsys.readouterr().out)
    synced, whole = runs(server, "killed")
    assert contents(server, synced, place) == contents(server, whole, place)
    assert synced.info.end_time < time.time() * 1000 - 1000  # when it ended, not when it was sent
    assert sync(folder) == 0
    assert capsys.readouterr().out.startswith("Nothing is left to send")


def test_a_server_that_comes_back_in_mid_run_is_told_everything_in_order(
    place: Path, server: MlflowServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def restart() -> None:
        server.kill()
        recorder.metrics({"a": 1.0})
        recorder.text("note.txt", "ü")
        assert len(list((place / "outbox").glob("*/[0-9]*"))) == 2
        server.start()

    monkeypatch.setattr("harness.tracking.transport._PAUSE", 0.0)
    tracking = Tracking(uri=server.uri, experiment="back", outbox=str(place / "outbox"), retries=0, timeout=120)
    with tracking.run("r", params={"x": 1}, tags={"norm": "r"}, dataset=("d", "f" * 40)) as recorder:
        recorder.metrics({"before": 0.5})
        restart()
        recorder.metrics({"b": 2.0})
        assert list((place / "outbox").glob("*/[0-9]*")) == []
    (run,) = runs(server, "back")
    found = contents(server, run, place)
    assert found["status"] == "FINISHED"
    assert found["metrics"] == {"before": [(0, 0.5)], "a": [(0, 1.0)], "b": [(0, 2.0)]}
    assert found["files"] == {"note.txt": "ü".encode()}
    assert list((place / "outbox").iterdir()) == []


def _everything(tracking: Tracking, before: Callable[[], None]) -> None:
    """One call of each kind, after ``before``."""
    trials = pd.DataFrame(
        {
            "task": "t",
            "model": "m",
            "fold": ["it's", "b2", "b2"],
            "number": [0, 0, 1],
            "value": [0.25, 0.5, 0.75],
            "state": "complete",
            "params": ['{"C": 0.1}', '{"C": 1}', '{"C": 10}'],
            "seconds": 1.5,
            "started": pd.Timestamp("2026-03-01 12:00", tz="UTC"),
            "metric": "auroc",
        }
    )
    figure = Figure(figsize=(2, 1))
    figure.subplots().plot([0, 1], [1, 0])
    with tracking.run("r", params={f"p{i}": i for i in range(150)}, tags={}, dataset=("d", "f" * 40)) as recorder:
        before()
        recorder.metrics({f"m{i}": i / 7 for i in range(1200)})
        recorder.trials(trials)
        recorder.table("trials", trials)
        recorder.figure("curve", figure)
        recorder.note("said")


def test_an_upload_that_is_cut_off_after_every_call_doubles_nothing(
    place: Path, server: MlflowServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each call reaches the server, and the process ends before it could note so."""
    tracking = Tracking(uri=server.uri, experiment="cut", outbox=str(place / "outbox"), retries=0, timeout=120)
    _everything(tracking, lambda: None)
    with pytest.raises(ValueError, match=r"with python -m harness\.sync"):
        _everything(tracking, server.kill)
    server.start()
    drop, dropped = PendingRequest.remove, set()

    def cut(self: PendingRequest) -> None:
        if self not in dropped:
            dropped.add(self)
            raise KeyboardInterrupt
        drop(self)

    monkeypatch.setattr(PendingRequest, "remove", cut)
    n = len(list((place / "outbox").glob("*/[0-9]*")))
    for _ in range(n):
        with pytest.raises(KeyboardInterrupt):
            sync(["--folder", str(place)])
    assert sync(["--folder", str(place)]) == 0
    assert len(dropped) == n == 11
    found = runs(server, "cut")
    roots = [run for run in found if run.data.tags.get("kind") != "trial"]
    found.sort(key=lambda run: str(run.info.run_name))  # trials that began at the same moment come in any order
    children = [[run for run in found if run.data.tags.get("mlflow.parentRunId") == r.info.run_id] for r in roots]
    assert [len(own) for own in children] == [3, 3]
    for synced, whole in zip([roots[0], *children[0]], [roots[1], *children[1]], strict=True):
        (place / "d").mkdir(exist_ok=True)
        assert contents(server, synced, place / "d") == contents(server, whole, place / "d")


def test_a_run_that_is_killed_is_never_shown_as_finished(
    place: Path, server: MlflowServer, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["+norm=dmso_within", *SMALL, "n_resamples=200000", f"tracking.uri={server.uri}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "harness", *words, "tracking.experiment=minus9"],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
    )
    outbox, until = place / "mlruns/outbox", time.monotonic() + 300
    while not list(outbox.glob("*/run.json")):
        assert time.monotonic() < until
        assert process.poll() is None
        time.sleep(0.05)
    assert sync(["--folder", str(place / "mlruns")]) == 0
    assert "is still in progress" in capsys.readouterr().out
    process.send_signal(signal.SIGKILL)
    process.wait()
    (run,) = runs(server, "minus9")
    assert run.info.status == "RUNNING"
    assert sync(["--folder", str(place / "mlruns")]) == 0
    assert capsys.readouterr().out.rstrip().endswith("KILLED (cut off)")
    (run,) = runs(server, "minus9")
    assert run.info.status == "KILLED"
    assert run.data.tags["failure"].startswith("cut off")
    assert run.info.start_time <= run.info.end_time < time.time() * 1000
    assert list(outbox.iterdir()) == []


def test_a_run_that_fails_while_the_server_is_away_ends_failed(
    place: Path, server: MlflowServer, caplog: pytest.LogCaptureFixture
) -> None:
    tracking = Tracking(uri=server.uri, experiment="failed", outbox=str(place / "outbox"), retries=0, timeout=120)

    def fail() -> None:
        with tracking.run("r", params={}, tags={}, dataset=("d", "f")) as recorder:
            server.kill()
            recorder.metrics({"a": 1.0})
            raise RuntimeError("a reason of its own")

    with pytest.raises(RuntimeError, match="of its own"):
        fail()
    assert "with python -m harness.sync" in caplog.text
    server.start()
    assert sync(["--folder", str(place)]) == 0
    (run,) = runs(server, "failed")
    assert (run.info.status, run.data.tags["failure"], run.data.metrics) == ("FAILED", "a reason of its own", {"a": 1})
