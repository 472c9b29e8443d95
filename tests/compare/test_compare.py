"""``python -m harness.compare``: numbers as stored, differences paired, only what may stand in one table."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command import run_compare, runs_of, table_of

from harness.core.score_schema import COLUMNS
from harness.tracking.tracking import Tracking

KEY = "dmso_vs_treated/logistic/auroc"
Store = Callable[..., None]


def _csv(folder: Path, *arguments: str) -> pd.DataFrame:
    outcome = run_compare(folder, *arguments, "--csv", "table.csv")
    assert (outcome.status, outcome.err) == (0, "")
    return pd.read_csv(folder / "table.csv").set_index("norm")


@pytest.fixture(scope="module")
def compared(sweep: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    folder = tmp_path_factory.mktemp("compared")
    table = _csv(folder, "--uri", f"sqlite:///{sweep}/mlruns/mlflow.db")
    return folder, table


def test_numbers_are_the_stored_metrics(sweep: Path, compared: tuple[Path, pd.DataFrame]) -> None:
    table = compared[1]
    assert table.index[0] == "raw"
    assert set(table.index) == {"raw", "dmso_within", "noise"}
    runs = runs_of(sweep)
    for norm, row in table.iterrows():
        metrics = runs[str(norm)].data.metrics
        for key in (KEY, KEY.replace("auroc", "balanced_accuracy")):
            for name in (key, f"{key}_lower", f"{key}_upper"):
                assert row[name] == pytest.approx(metrics[name], abs=1e-12)
        probe = "batch_effect/probe_balanced_accuracy"
        assert row[probe] == pytest.approx(metrics[probe], abs=1e-12)
        assert row[f"{probe}_null_mean"] == pytest.approx(metrics[f"{probe}_null_mean"], abs=1e-12)
        baselines = {k: v for k, v in metrics.items() if "/baseline_" in k and k.endswith("/auroc")}
        best = max(baselines, key=lambda key: baselines[key])
        assert row["dmso_vs_treated/best_baseline"] == pytest.approx(baselines[best], abs=1e-12)
        assert f"/baseline_{row['dmso_vs_treated/best_baseline_is']}/" in best


def test_difference_to_raw_is_paired_draw_by_draw(sweep: Path, compared: tuple[Path, pd.DataFrame]) -> None:
    """Oracle: the 2.5 and 97.5 percentiles of the differences of equal draws, by sorting."""
    runs = runs_of(sweep)
    draws = {}
    for name, run in runs.items():
        table = table_of(sweep, run, "resamples")
        own = table[(table["metric"] == "auroc") & (table["model"] == "logistic")]
        draws[name] = own.set_index("draw")["value"].sort_index()
    assert len(draws["raw"]) == 50
    for name in ("dmso_within", "noise"):
        ordered = np.sort((draws[name] - draws["raw"]).to_numpy())
        row = compared[1].loc[name]
        for q, bound in ((0.025, "lower"), (0.975, "upper")):
            at = q * 49
            by_hand = ordered[int(at)] + (at - int(at)) * (ordered[int(at) + 1] - ordered[int(at)])
            assert row[f"{KEY}_minus_raw_{bound}"] == pytest.approx(by_hand, abs=1e-12)
        difference = runs[name].data.metrics[KEY] - runs["raw"].data.metrics[KEY]
        assert row[f"{KEY}_minus_raw"] == pytest.approx(difference, abs=1e-12)
    paired = (
        compared[1].loc["dmso_within", f"{KEY}_minus_raw_upper"]
        - compared[1].loc["dmso_within", f"{KEY}_minus_raw_lower"]
    )
    rng = np.random.default_rng(0)
    unpaired = np.quantile(draws["dmso_within"].to_numpy() - rng.permutation(draws["raw"].to_numpy()), [0.025, 0.975])
    assert paired < np.ptp(unpaired)


def test_terminal_shows_every_run_and_the_way_to_the_browser(sweep: Path) -> None:
    outcome = run_compare(sweep, "demo")
    assert outcome.status == 0
    metrics = runs_of(sweep)["dmso_within"].data.metrics
    (line,) = [line for line in outcome.out.splitlines() if "dmso_within" in line and f"{metrics[KEY]:.3f} [" in line]
    assert f"[{metrics[f'{KEY}_lower']:.3f}, {metrics[f'{KEY}_upper']:.3f}]" in line
    assert "dmso_vs_treated/logistic" in outcome.out
    assert "mlflow ui --backend-store-uri sqlite:///mlruns/mlflow.db" in outcome.out
    assert "/#/experiments/1/runs?" in outcome.out


def test_a_further_metric_is_shown(sweep: Path) -> None:
    key = "audit/controls_vs_controls/logistic/auroc"
    outcome = run_compare(sweep, "demo", "--metric", key)
    assert outcome.status == 0
    assert f"{runs_of(sweep)['raw'].data.metrics[key]:.3f}" in outcome.out


@pytest.fixture
def store(folder: Path) -> Store:
    """Puts a run into the database of ``folder``: ``store("raw", 0.7)``."""

    def put(
        name: str,
        auroc: float,
        *,
        data: str = "d1",
        split: str = "s1",
        params: Mapping[str, object] | None = None,
        experiment: str = "toy",
        fail: str = "",
        draws: int = 40,
    ) -> None:
        tracking = Tracking(
            uri=f"sqlite:///{folder}/mlruns/mlflow.db", artifacts=str(folder / "kept"), experiment=experiment
        )
        tags = {"norm": name, "scope": "train", "data": f"screen {data}", "split": f"split {split}"}
        tags |= {"data_fingerprint": f"{data}ffff", "split_fingerprint": f"{split}eeee"}
        table = pd.DataFrame(
            {"task": "t", "model": "m", "metric": "auroc", "over": ["fold", "mean"], "fold": ["b1", ""], "group": ""}
        ).assign(value=auroc, lower=auroc - 0.1, upper=auroc + 0.05, n=9, reason="")[COLUMNS]
        spread = np.random.default_rng(len(name)).normal(auroc, 0.02, draws)
        resamples = pd.DataFrame({"metric": "auroc", "draw": range(draws), "value": spread, "task": "t", "model": "m"})
        try:
            with tracking.run(name, params={"seed": 0} | dict(params or {}), tags=tags, dataset=("d", "f")) as recorder:
                recorder.scores(table)
                recorder.table("resamples", resamples)
                if fail:
                    raise RuntimeError(fail)
        except RuntimeError:
            assert fail

    return put


def test_runs_on_other_data_or_splits_are_refused_with_the_way_out(folder: Path, store: Store) -> None:
    store("raw", 0.7)
    store("mean", 0.8, data="d2")
    store("rank", 0.75, split="s2")
    outcome = run_compare(folder, "toy")
    assert (outcome.status, outcome.out) == (2, "")
    for named in ("--data d1ffff --split s1eeee", "--data d2ffff --split s1eeee", "--split s2eeee", "--each"):
        assert named in outcome.line
    each = run_compare(folder, "toy", "--each")
    assert each.status == 0
    assert [name in each.out for name in ("raw", "mean", "rank")] == [True] * 3
    assert each.out.count("checks and baselines") == 3
    assert "minus" not in each.out
    for flags, shown in {
        ("--data", "d2"): "mean",
        ("--data", "screen d2"): "mean",
        ("--split", "s2eeee"): "rank",
        ("--data", "screen d1", "--split", "split s1"): "raw",
    }.items():
        table = _csv(folder, "toy", *flags)
        assert list(table.index) == [shown]
    assert "--csv writes one table" in run_compare(folder, "toy", "--each", "--csv", "x.csv").line
    nothing = run_compare(folder, "toy", "--data", "elsewhere")
    assert nothing.status == 2
    assert "no runs to compare" in nothing.line


def test_failed_and_unfinished_runs_are_listed_and_not_compared(folder: Path, store: Store) -> None:
    store("raw", 0.7)
    store("mean", 0.8, fail="plate 'p1' has 2 controls")
    client = Tracking(uri=f"sqlite:///{folder}/mlruns/mlflow.db").open()
    experiment = client.get_experiment_by_name("toy").experiment_id
    tags = {"data_fingerprint": "d1ffff", "split_fingerprint": "s1eeee"}
    client.create_run(experiment, run_name="rank", tags=tags)
    outcome = run_compare(folder, "toy", "--csv", "table.csv")
    assert outcome.status == 0
    assert "FAILED mean: plate 'p1' has 2 controls" in outcome.out
    assert "RUNNING rank: no result" in outcome.out
    assert list(pd.read_csv(folder / "table.csv")["norm"]) == ["raw"]


def test_a_failure_that_was_repaired_is_not_listed(folder: Path, store: Store) -> None:
    store("raw", 0.7, fail="out of memory")
    store("raw", 0.72)
    outcome = run_compare(folder, "toy")
    assert "FAILED" not in outcome.out
    assert "0.720" in outcome.out


def test_two_forms_of_one_norm_are_told_apart_by_what_differs(folder: Path, store: Store) -> None:
    store("raw", 0.7)
    store("rank", 0.6, params={"norm.bins": 10, "norm.same": 1, "figure.umap.n": 5})
    store("rank", 0.8, params={"norm.bins": 20, "norm.same": 1, "figure.umap.n": 9})
    store("rank", 0.85, params={"norm.bins": 20, "norm.same": 1, "figure.umap.n": 7})
    table = _csv(folder, "toy")
    assert {k: round(v, 3) for k, v in table["t/m/auroc"].items()} == {
        "raw": 0.7,
        "rank (norm.bins=10)": 0.6,
        "rank (norm.bins=20)": 0.85,
    }


def test_settings_that_differ_are_pointed_out(folder: Path, store: Store) -> None:
    store("raw", 0.7, params={"model.m.C": 1})
    store("mean", 0.8, params={"model.m.C": 0.1})
    outcome = run_compare(folder, "toy")
    assert "Warning: model.m.C differs between these runs: 0.1, 1" in outcome.out


@pytest.mark.parametrize("changes", [{"params": {"seed": 1}}, {"draws": 30}])
def test_other_resamples_are_not_paired(changes: dict[str, object], folder: Path, store: Store) -> None:
    store("raw", 0.7)
    store("mean", 0.8, **changes)
    table = _csv(folder, "toy")
    assert np.isnan(table.loc["mean", "t/m/auroc_minus_raw"])
    assert table.loc["mean", "t/m/auroc"] == 0.8


def test_without_raw_there_are_no_differences_and_a_note(folder: Path, store: Store) -> None:
    store("mean", 0.8)
    outcome = run_compare(folder, "toy")
    assert outcome.status == 0
    assert "No finished run of raw, so no paired differences" in outcome.out
    assert "AUROC - raw" not in outcome.out


def test_a_raw_that_failed_is_no_reference(folder: Path, store: Store) -> None:
    store("raw", 0.7, fail="no")
    store("mean", 0.8)
    outcome = run_compare(folder, "toy")
    assert "FAILED raw: no" in outcome.out
    assert "No finished run of raw, so no paired differences" in outcome.out


def test_markup_in_names_is_text(folder: Path, store: Store) -> None:
    odd = "[red]x[/red]"
    store(odd, 0.8, data=odd, experiment=f"{odd} [/]", params={"norm.a": "[/bold]"})
    store(odd, 0.7, data=odd, experiment=f"{odd} [/]", params={"norm.a": "[b]"})
    outcome = run_compare(folder, f"{odd} [/]")
    assert outcome.status == 0, outcome.err
    assert f"{odd} [/]: screen {odd}" in outcome.out
    assert f"{odd} (norm.a=[/bold])" in outcome.out
    assert f"{odd} (norm.a=[b])" in outcome.out


def test_the_experiment_is_found_or_asked_for(folder: Path, store: Store) -> None:
    none = run_compare(folder)
    assert none.status == 2
    assert "0 experiments with runs []" in none.line
    store("raw", 0.7)
    only = run_compare(folder)
    assert only.status == 0
    assert "toy: screen d1" in only.out
    store("raw", 0.7, experiment="other")
    several = run_compare(folder)
    assert several.status == 2
    assert "2 experiments with runs ['other', 'toy']" in several.line
    unknown = run_compare(folder, "tox")
    assert unknown.status == 2
    assert "no experiment 'tox'" in unknown.line
    assert "'toy'" in unknown.line


def test_no_database_is_one_line_and_makes_none(tmp_path: Path) -> None:
    outcome = run_compare(tmp_path)
    assert outcome.status == 2
    assert "no database" in outcome.line
    assert list(tmp_path.iterdir()) == []


def test_lost_tables_are_named(folder: Path, store: Store) -> None:
    store("raw", 0.7)
    store("mean", 0.8)
    shutil.rmtree(folder / "kept")
    outcome = run_compare(folder, "toy")
    assert outcome.status == 2
    assert "lacks table 'resamples'" in outcome.line
    assert outcome.line.startswith("harness.compare: run ")


def test_a_csv_that_cannot_be_written_is_one_line(folder: Path, store: Store) -> None:
    store("raw", 0.7)
    outcome = run_compare(folder, "toy", "--csv", "nowhere/table.csv")
    assert outcome.status == 2
    assert "nowhere/table.csv" in outcome.line
