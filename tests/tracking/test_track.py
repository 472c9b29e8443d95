"""What a run leaves in MLflow: the contract with users."""

from __future__ import annotations

import os
import re
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import yaml
from command import client_of, runs_of, table_of
from matplotlib.figure import Figure
from mlflow import MlflowClient
from PIL import Image

from harness.core.exceptions import InputError
from harness.core.finding import Finding
from harness.core.score_schema import COLUMNS
from harness.tracking.tracking import Tracking

KEY = "dmso_vs_treated/logistic/auroc"


def test_means_and_intervals_are_those_of_the_score_table(sweep: Path) -> None:
    run = runs_of(sweep)["dmso_within"]
    scores = table_of(sweep, run, "scores")
    models = scores[scores["model"] == "logistic"]
    assert set(models["metric"]) >= {"auroc", "average_precision", "balanced_accuracy", "base_rate"}
    for row in models[models["over"] == "mean"].itertuples():
        key = f"dmso_vs_treated/logistic/{row.metric}"
        assert run.data.metrics[key] == row.value
        for bound in ("lower", "upper"):
            value = getattr(row, bound)
            assert run.data.metrics.get(f"{key}_{bound}", np.nan) == pytest.approx(value, nan_ok=True, abs=0)
    for row in models[models["over"] == "pooled"].itertuples():
        assert run.data.metrics[f"dmso_vs_treated/logistic/{row.metric}_pooled"] == row.value


def test_folds_are_steps_in_the_order_of_the_table(sweep: Path) -> None:
    run = runs_of(sweep)["raw"]
    scores = table_of(sweep, run, "scores")
    folds = scores[(scores["model"] == "logistic") & (scores["metric"] == "auroc") & (scores["over"] == "fold")]
    assert list(folds["fold"]) == ["batch01", "batch02", "batch03"]
    history = client_of(sweep).get_metric_history(run.info.run_id, f"{KEY}_by_fold")
    assert {m.step: m.value for m in history} == dict(enumerate(folds["value"]))
    assert run.data.metrics[KEY] == pytest.approx(folds["value"].mean(), abs=1e-12)


def test_auroc_of_a_fold_follows_from_the_stored_predictions(sweep: Path) -> None:
    """Oracle: the share of pairs (treated, control) in which the treated well has the higher score."""
    run = runs_of(sweep)["raw"]
    predictions = table_of(sweep, run, "predictions")
    own = predictions[(predictions["model"] == "logistic") & (predictions["fold"] == "batch02")]
    treated, control = (own.loc[own["y"] == y, "score"].to_numpy() for y in (1, 0))
    difference = treated[:, None] - control[None, :]
    by_hand = ((difference > 0) + 0.5 * (difference == 0)).mean()
    history = client_of(sweep).get_metric_history(run.info.run_id, f"{KEY}_by_fold")
    assert {m.step: m.value for m in history}[1] == pytest.approx(by_hand, abs=1e-12)


def test_params_are_the_flattened_configuration(sweep: Path) -> None:
    run = runs_of(sweep)["dmso_within"]
    params = run.data.params
    assert params["norm._target_"] == "harness.norm.dmso_within.DmsoWithin"
    assert params["norm.exchangeable"] == "True"
    assert (params["data.size"], params["seed"], params["n_resamples"]) == ("tiny", "0", "50")
    assert not [key for key in params if key.split(".")[0] in ("tracking", "hydra", "cache")]
    path = sweep / "mlruns/artifacts" / run.info.run_id / "artifacts/config.yaml"
    stored = yaml.safe_load(path.read_text())
    assert stored["model"]["logistic"]["classifier"]["random_state"] == 0
    assert str(stored["norm"]["exchangeable"]) == params["norm.exchangeable"]


def test_tags_name_and_data_set(sweep: Path) -> None:
    runs = runs_of(sweep)
    tags = {name: run.data.tags for name, run in runs.items()}
    assert {name: (t["norm"], t["scope"]) for name, t in tags.items()} == {
        "raw": ("raw", "train"),
        "dmso_within": ("dmso_within", "plate"),
        "noise": ("noise", "train"),
    }
    assert {t["split"] for t in tags.values()} == {"leave_batch_out"}
    assert {t["data"] for t in tags.values()} == {"demo balanced tiny"}
    assert len({t["data_fingerprint"] for t in tags.values()}) == 1
    assert len({t["split_fingerprint"] for t in tags.values()}) == 1
    for run in runs.values():
        (given,) = run.inputs.dataset_inputs
        assert given.dataset.name == "demo balanced tiny"
        assert len(given.dataset.digest) == 36
        assert run.data.tags["data_fingerprint"].startswith(given.dataset.digest)
        assert {tag.key: tag.value for tag in given.tags} == {"mlflow.data.context": "evaluation"}
    experiment = client_of(sweep).get_experiment_by_name("demo")
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"


def test_files_and_images(sweep: Path) -> None:
    run = runs_of(sweep)["raw"]
    root = sweep / "mlruns/artifacts" / run.info.run_id / "artifacts"
    tables = {path.name for path in (root / "tables").iterdir()}
    assert {"scores.parquet", "resamples.parquet", "predictions.parquet", "audit.parquet"} <= tables
    assert "plate_correlation.parquet" in tables
    picture = np.asarray(Image.open(root / "figures/plate_correlation.png").convert("RGB"))
    logged = {re.split(r"\W", path.name)[1]: path for path in (root / "images").iterdir() if path.suffix == ".png"}
    assert set(logged) == {"plate_correlation", "roc_pr_dmso_vs_treated_logistic", "spike_in"}
    assert all(re.split(r"\W", path.name)[0] == "figures" for path in logged.values())
    np.testing.assert_array_equal(np.asarray(Image.open(logged["plate_correlation"]).convert("RGB")), picture)


def test_every_finding_is_a_metric_or_a_reason(sweep: Path) -> None:
    run = runs_of(sweep)["noise"]
    audit = table_of(sweep, run, "audit")
    assert {key.split("/")[0] for key in audit["key"]} == {"audit", "batch_effect", "replicates"}
    for row in audit.itertuples():
        if not np.isfinite(row.value):
            assert row.reason
            assert row.key not in run.data.metrics
        else:
            assert run.data.metrics[row.key] == row.value


def test_the_description_says_what_came_out_and_how_to_repeat_it(sweep: Path) -> None:
    run = runs_of(sweep)["dmso_within"]
    note = run.data.tags["mlflow.note.content"]
    assert note.startswith(f"dmso_within is {run.data.tags['verdict']}: ")
    assert f"dmso_within (leave_batch_out): dmso_vs_treated/logistic AUROC {run.data.metrics[KEY]:.3f}" in note
    assert "`python -m harness " in note
    assert "+norm=dmso_within" in note
    assert "data.size=tiny" in note


@pytest.fixture
def tracking(folder: Path) -> Tracking:
    return Tracking(uri=f"sqlite:///{folder}/mlruns/mlflow.db", artifacts=str(folder / "kept"), experiment="toy")


def _rows(**columns: object) -> pd.DataFrame:
    return pd.DataFrame({"task": "t", "model": "m", "metric": "auroc", "group": "", "reason": "", **columns})[COLUMNS]


def _only(tracking: Tracking) -> tuple[MlflowClient, str]:
    (record,) = tracking.records()
    return tracking.open(), record.run.info.run_id


def test_undefined_is_left_out_of_the_metrics_and_kept_with_its_reason(tracking: Tracking) -> None:
    nan = np.nan
    table = _rows(
        over=["fold", "fold", "fold", "mean", "pooled"],
        fold=["b1", "b2", "b3", "", ""],
        value=[0.7, nan, 0.9, 0.8, nan],
        lower=[0.6, nan, 0.85, nan, nan],
        upper=[0.8, nan, 0.95, nan, nan],
        n=[10, 4, 12, 26, 26],
        reason=["", "one class", "", "undefined in 1 of 3 folds", "no"],
    )
    with tracking.run("r", params={"a.b": 1}, tags={}, dataset=("d", "f" * 64)) as recorder:
        recorder.scores(table)
        recorder.table("scores", table)
        recorder.findings([Finding("audit/x", 0.25, lower=0.1, n=3), Finding("audit/y", nan, reason="no controls")])
    client, run_id = _only(tracking)
    metrics = client.get_run(run_id).data.metrics
    assert metrics == {"t/m/auroc": 0.8, "t/m/auroc_by_fold": 0.9, "audit/x": 0.25, "audit/x_lower": 0.1}
    steps = {m.step: m.value for m in client.get_metric_history(run_id, "t/m/auroc_by_fold")}
    assert steps == {0: 0.7, 2: 0.9}
    (record,) = tracking.records()
    assert list(record.table("scores")["reason"]) == list(table["reason"])
    assert dict(record.table("audit").set_index("key")["reason"]) == {"audit/x": "", "audit/y": "no controls"}


def test_a_baseline_has_its_means_only(tracking: Tracking) -> None:
    table = _rows(over=["mean"], fold=[""], value=[0.6], lower=[0.5], upper=[0.7], n=[9])
    with tracking.run("r", params={}, tags={}, dataset=("d", "f")) as recorder:
        recorder.scores(table)
    client, run_id = _only(tracking)
    assert client.get_run(run_id).data.metrics == {"t/m/auroc": 0.6}


@pytest.mark.parametrize(
    ("error", "status", "failure"),
    [
        (InputError("plate 'p1' has 2 controls"), "FAILED", "plate 'p1' has 2 controls"),
        (RuntimeError(""), "FAILED", "RuntimeError"),
        (KeyboardInterrupt(), "KILLED", "KeyboardInterrupt"),
        (ValueError("x" * 9000), "FAILED", "x" * 3999 + "…"),
    ],
)
def test_a_block_that_raises_is_recorded_and_goes_on_raising(
    error: BaseException, status: str, failure: str, tracking: Tracking
) -> None:
    def run() -> None:
        with tracking.run("r", params={}, tags={"norm": "r"}, dataset=("d", "f")) as recorder:
            recorder.metrics({"time/x_seconds": 1.5})
            raise error

    with pytest.raises(type(error)) as raised:
        run()
    assert raised.value is error
    (record,) = tracking.records()
    assert (record.status, record.tags["failure"], record.metrics) == (status, failure, {"time/x_seconds": 1.5})


def test_hundreds_of_params_and_metrics_and_a_long_value(tracking: Tracking) -> None:
    params = {f"p{i}": i for i in range(250)} | {"long": "y" * 7000}
    metrics = {f"m{i}": i / 7 for i in range(2300)}
    with tracking.run("r", params=params, tags={}, dataset=("d" * 600, "f")) as recorder:
        recorder.metrics(metrics)
    (record,) = tracking.records()
    assert record.metrics == metrics
    assert record.params["p249"] == "249"
    assert record.params["long"] == "y" * 5999 + "…"


def test_a_figure_is_a_file_and_an_image(tracking: Tracking) -> None:
    figure, axes = plt.subplots(figsize=(2, 1), dpi=50)
    axes.plot([0, 1], [1, 0])
    with tracking.run("r", params={}, tags={}, dataset=("d", "f")) as recorder:
        recorder.figure("curve", figure)
    plt.close(figure)
    client, run_id = _only(tracking)
    assert [f.path for f in client.list_artifacts(run_id, "figures")] == ["figures/curve.png"]
    images = [f.path for f in client.list_artifacts(run_id, "images")]
    assert [re.split(r"\W", path)[1:5] for path in images if path.endswith(".png")] == [
        ["figures", "curve", "step", "0"]
    ]
    assert client.get_run(run_id).data.tags["mlflow.loggedImages"] == "True"


def test_artifacts_lie_where_asked_for(tracking: Tracking) -> None:
    with tracking.run("r", params={}, tags={}, dataset=("d", "f")) as recorder:
        recorder.text("note.txt", "ü")
    _, run_id = _only(tracking)
    path = Path(str(tracking.artifacts)) / run_id / "artifacts/note.txt"
    assert path.read_text("utf-8") == "ü"


def test_a_table_that_is_not_there_is_named(tracking: Tracking) -> None:
    with tracking.run("r", params={}, tags={}, dataset=("d", "f")):
        pass
    (record,) = tracking.records()
    with pytest.raises(InputError, match="lacks table 'scores'"):
        record.table("scores")


def test_reading_makes_no_database(tmp_path: Path) -> None:
    tracking = Tracking(uri=f"sqlite:///{tmp_path}/new/mlflow.db")
    with pytest.raises(InputError, match="no database"):
        tracking.records()
    with pytest.raises(InputError, match="no database"):
        tracking.only_experiment()
    assert list(tmp_path.iterdir()) == []


def test_unknown_and_deleted_experiments_are_named(tracking: Tracking) -> None:
    with pytest.raises(InputError, match=r"no experiment 'toy'.*\['Default'\]"):
        tracking.records()
    client = tracking.open()
    client.delete_experiment(tracking.experiment_id(client))
    with pytest.raises(InputError, match="'toy' was deleted"):
        tracking.experiment_id(client)
    with pytest.raises(InputError, match="'toy' was deleted"):
        tracking.records()


def test_an_unreachable_server_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    tracking = Tracking(uri="http://127.0.0.1:9", retries=0)
    with pytest.raises(InputError, match=r"127\.0\.0\.1:9 cannot be used") as raised:
        tracking.experiment_id(tracking.open())
    assert "\n" not in str(raised.value)
    monkeypatch.setattr("mlflow.MlflowClient.get_experiment_by_name", lambda *_: None)
    monkeypatch.setattr("mlflow.MlflowClient.create_experiment", lambda *_, **__: "7")
    assert tracking.experiment_id(tracking.open()) == "7"


def test_the_environment_is_set_once_and_not_around_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "MLFLOW_HTTP_REQUEST_TIMEOUT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    tracking = Tracking(uri="http://127.0.0.1:9", retries=1, timeout=7)
    tracking.open()
    before = dict(os.environ)
    assert before["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "3"  # the user's own
    assert float(before["MLFLOW_HTTP_REQUEST_TIMEOUT"]) >= 86_400  # the longest tracking.timeout
    with tracking.usable():
        assert dict(os.environ) == before
    assert dict(os.environ) == before


def test_an_experiment_that_another_process_made_is_used(tracking: Tracking, monkeypatch: pytest.MonkeyPatch) -> None:
    client = tracking.open()
    assert tracking.artifacts is not None
    made = client.create_experiment("toy", Path(tracking.artifacts).absolute().as_uri())
    answers = iter([None, client.get_experiment(made)])
    monkeypatch.setattr(client, "get_experiment_by_name", lambda _: next(answers))
    assert tracking.experiment_id(client) == made


def test_of_many_labels_means_and_their_spread_are_metrics_and_single_labels_are_not(tracking: Tracking) -> None:
    over = _rows(
        over=["fold", "fold", "mean", "pooled", "q25", "median", "above_0.7"],
        fold=["b1", "b2", "", "", "", "", ""],
        value=[0.7, 0.8, 0.75, 0.74, 0.6, 0.76, 0.55],
        lower=[np.nan, np.nan, 0.7, *[np.nan] * 4],
        upper=[np.nan, np.nan, 0.8, *[np.nan] * 4],
        n=[209] * 7,
    )
    number = _rows(over=["mean"], fold=[""], value=[205.0], lower=[np.nan], upper=[np.nan], n=[209])
    single = _rows(
        over=["fold", "mean"], fold=["b1", ""], value=[0.1, 0.2], lower=[0.0] * 2, upper=[1.0] * 2, n=[30] * 2
    )
    table = pd.concat([over, number.assign(metric="n_groups"), single.assign(group="assay7")], ignore_index=True)
    with tracking.run("r", params={}, tags={}, dataset=("d", "f")) as recorder:
        recorder.scores(table)
    client, run_id = _only(tracking)
    key = "t/m/auroc"
    expected = {key: 0.75, f"{key}_lower": 0.7, f"{key}_upper": 0.8, f"{key}_pooled": 0.74, f"{key}_by_fold": 0.8}
    expected |= {f"{key}_q25": 0.6, f"{key}_median": 0.76, f"{key}_above_0.7": 0.55, "t/m/n_groups": 205.0}
    assert client.get_run(run_id).data.metrics == expected


def test_figures_come_in_the_formats_that_were_asked_for_and_others_are_refused(tmp_path: Path) -> None:
    tracking = Tracking(
        uri=f"sqlite:///{tmp_path}/m.db", artifacts=str(tmp_path / "a"), figure_formats=["svg", "pdf", "png"]
    )
    figure = Figure(figsize=(2, 1))
    figure.subplots().set_title("plates")
    with tracking.run("raw", params={}, tags={}, dataset=("toy", "f")) as recorder:
        recorder.figure("umap.v2", figure)
    kept = {path.name: path.read_bytes()[:5] for path in tmp_path.glob("a/*/artifacts/figures/*")}
    assert kept == {"umap.v2.png": b"\x89PNG\r", "umap.v2.svg": b"<?xml", "umap.v2.pdf": b"%PDF-"}
    with pytest.raises(InputError, match=r"figure_formats: \['jpg'\] unknown; choose from \['png', 'svg', 'pdf'\]"):
        Tracking(uri="sqlite:///x.db", figure_formats=["jpg"])
