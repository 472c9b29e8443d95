"""Runs as a whole: same numbers again, what changes a split's identity, what is refused before anything is computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from assays import assay_screen
from command import SMALL, client_of, run_command, runs_of, table_of
from matplotlib.figure import Figure
from sklearn.linear_model import LogisticRegression

from harness.audit.base import AuditContext, Check
from harness.audit.real_labels import RealLabels
from harness.audit.scorecard.decision import Decision
from harness.audit.verdict import Verdict
from harness.core.exceptions import InputError, NotApplicable
from harness.core.finding import Finding
from harness.core.profiles import Profiles
from harness.data.wells.aggregation import well_table
from harness.figure.base import FigureContext, FigureMember
from harness.figure.roc_pr import RocPr
from harness.metric.auroc import Auroc
from harness.metric.recall import Recall
from harness.norm.all_within import AllWithin
from harness.norm.combat import Combat
from harness.norm.dmso_across import DmsoAcross
from harness.norm.engine.normalize import normalize
from harness.norm.noise import Noise
from harness.norm.raw import Raw
from harness.run.evaluation_run import EvaluationRun
from harness.run.plan import EvaluationPlan, plan_splits, split_fingerprint
from harness.split.leave_batch_out import LeaveBatchOut
from harness.split.leave_plate_out import LeavePlateOut
from harness.store.plate_subset import sample_plates
from harness.task.assay_activity import AssayActivity
from harness.task.dmso_vs_treated import DmsoVsTreated

Screen = Callable[..., Profiles]


class Memory:
    """A recorder that keeps everything."""

    def __init__(self) -> None:
        self.kept_scores: list[pd.DataFrame] = []
        self.kept_findings: list[Finding] = []
        self.kept_metrics: dict[str, float] = {}
        self.tables: dict[str, pd.DataFrame] = {}
        self.figures: dict[str, Figure] = {}
        self.decision: Decision | None = None

    def scores(self, table: pd.DataFrame) -> None:
        self.kept_scores.append(table)

    def findings(self, findings: Sequence[Finding]) -> None:
        self.kept_findings += findings

    def verdict(self, decision: Decision) -> None:
        self.decision = decision

    def metrics(self, values: Mapping[str, float]) -> None:
        self.kept_metrics |= values

    def table(self, name: str, table: pd.DataFrame) -> None:
        self.tables[name] = table

    def figure(self, name: str, figure: Figure) -> None:
        self.figures[name] = figure


class Coin:
    """A baseline without an answer."""

    reads_profiles = True

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002
        return {}

    def fit(self, *_: Any) -> Coin:
        raise NotApplicable("no coin was given")


class Half(Check):
    """One number and one that is undefined; counts how often a split's profiles were asked for."""

    def findings(self, context: AuditContext) -> Any:
        assert set(context.evaluations) == {("dmso_vs_treated", "lr")}
        yield Finding("audit/half", 0.5)


class Never(Check):
    before_training = True

    def findings(self, context: AuditContext) -> Any:
        assert context.evaluations == {}
        raise NotApplicable("never here")


class Blank(FigureMember):
    """A figure that declines."""

    def tables(self, context: FigureContext) -> dict[str, pd.DataFrame]:
        raise NotApplicable(f"{context.norm} has nothing to draw")

    def draw(self, *_: Any) -> dict[str, Figure]:
        raise AssertionError("not to be drawn")


def _plan(**changes: Any) -> EvaluationPlan:
    members: dict[str, Any] = {
        "name": "raw",
        "normalizer": Raw(),
        "splitter": LeaveBatchOut(),
        "tasks": {"dmso_vs_treated": DmsoVsTreated()},
        "models": {"lr": LogisticRegression(C=1e-4, max_iter=500)},
        "metrics": [Auroc(), Recall()],
        "n_resamples": 20,
    }
    return EvaluationPlan(**(members | changes))


def _comparable(metrics: Mapping[str, float]) -> dict[str, float]:
    return {key: value for key, value in metrics.items() if not key.startswith("time/")}


def test_the_same_run_again_and_alone_has_the_same_numbers(sweep: Path, tmp_path: Path) -> None:
    """A run of the sweep, and the same by itself in a folder of its own: every metric but the times is identical."""
    options = ("data.size=tiny", "model=[logistic]", "figure=[plate_correlation,roc_pr,spike_in]", "n_resamples=50")
    audits = ("audit.batch_probe.n_permutations=5",)
    uri = f"tracking.uri=sqlite:///{sweep}/mlruns/mlflow.db"
    outcome = run_command(tmp_path, "+norm=dmso_within", *options, *audits, uri, "tracking.experiment=alone")
    assert outcome.status == 0, outcome.err
    swept, alone = runs_of(sweep)["dmso_within"], runs_of(sweep, "alone")["dmso_within"]
    client_of(sweep).delete_experiment(alone.info.experiment_id)
    assert _comparable(alone.data.metrics) == _comparable(swept.data.metrics)
    assert len(_comparable(swept.data.metrics)) > 100
    for tag in ("data_fingerprint", "split_fingerprint"):
        assert alone.data.tags[tag] == swept.data.tags[tag]
    first = table_of(sweep, swept, "predictions")
    second = pd.read_parquet(tmp_path / f"mlruns/artifacts/{alone.info.run_id}/artifacts/tables/predictions.parquet")
    pd.testing.assert_frame_equal(first, second)


def test_another_seed_gives_other_intervals(folder: Path) -> None:
    for seed in (0, 1):
        assert run_command(folder, "+norm=raw", *SMALL, f"seed={seed}", f"tracking.experiment=s{seed}").status == 0
    zero, one = (runs_of(folder, f"s{seed}")["raw"].data for seed in (0, 1))
    key = "dmso_vs_treated/logistic/auroc"
    assert zero.metrics[f"{key}_lower"] != one.metrics[f"{key}_lower"]
    assert zero.tags["split_fingerprint"] == one.tags["split_fingerprint"]


def test_noise_scores_a_half_and_raw_does_not(sweep: Path) -> None:
    runs = runs_of(sweep)
    key = "dmso_vs_treated/logistic/auroc"
    noise = runs["noise"].data.metrics
    assert noise[f"{key}_lower"] < 0.5 < noise[f"{key}_upper"]
    assert runs["dmso_within"].data.metrics[f"{key}_lower"] > 0.5


def test_split_fingerprint_follows_split_and_batches_and_not_the_norm(screen: Screen) -> None:
    profiles = screen()

    def identity(profiles: Profiles, **changes: Any) -> str:
        return split_fingerprint(*plan_splits(_plan(**changes), profiles))

    base = identity(profiles)
    assert identity(profiles, name="all_within", normalizer=AllWithin()) == base
    assert identity(profiles, normalizer=Noise(seed=3)) == base
    assert identity(profiles, splitter=LeavePlateOut()) != base
    merged = profiles.wells.assign(batch=profiles.wells["batch"].replace({"b3": "b2"}))
    assert identity(profiles.replace(wells=merged)) != base
    assert identity(profiles.replace(wells=profiles.wells.assign(dose=1.0))) == base


def test_everything_of_a_run_reaches_the_recorder(screen: Screen) -> None:
    profiles, memory = screen(), Memory()
    plan = _plan(
        baselines={"coin": Coin()}, checks={"never": Never(), "half": Half()}, figures={"blank": Blank()}, name="toy"
    )
    scores = EvaluationRun(plan, profiles, memory).execute()
    assert [(f.key, f.reason) for f in memory.kept_findings] == [("audit/never", "never here"), ("audit/half", "")]
    assert dict(memory.tables["figures_not_drawn"].iloc[0]) == {"figure": "blank", "reason": "toy has nothing to draw"}
    declined = scores[scores["model"] == "coin"]
    assert set(declined["reason"]) == {"no coin was given"}
    assert declined["value"].isna().all()
    assert set(memory.tables) >= {"scores", "resamples", "predictions"}
    assert set(memory.kept_metrics) >= {"time/normalize_seconds", "time/model_lr_seconds", "time/audit_half_seconds"}
    wells = plan_splits(plan, profiles).wells
    predicted = memory.tables["predictions"]
    assert len(predicted) == wells["role"].isin(["negcon", "treated"]).sum()
    assert set(predicted["fold"]) == {"b1", "b2", "b3"}


class Rows(Check):
    """How many plates a check of some plates, and one of the whole screen, are given."""

    def findings(self, context: AuditContext) -> Any:
        assert not context.evaluations or self.reads_evaluations
        assert len(context.wells) == len(context.normalized(None).wells)
        yield Finding(f"audit/{type(self).__name__}", float(context.wells["plate"].nunique()))


class WholeRows(Rows):
    needs_full_screen = True
    reads_evaluations = True


class TrainedRows(Rows):
    reads_evaluations = True

    def findings(self, context: AuditContext) -> Any:
        (trained,) = context.evaluations.values()
        plates = {plate for e in trained for plate in e.wells["plate"]}
        yield Finding("audit/TrainedRows", float(len(plates)))


def test_of_a_large_screen_some_plates_are_audited_and_all_are_scored(screen: Screen) -> None:
    profiles, memory = screen(n_plates=18), Memory()
    n = profiles.wells["plate"].nunique()
    wells = well_table(profiles.wells)
    chosen = sample_plates(wells, len(wells) * 12 // n, seed=0)
    some = profiles.take(profiles.wells["plate"].isin(chosen).to_numpy())
    checks = {"rows": Rows(), "trained": TrainedRows(), "whole": WholeRows()}
    scores = EvaluationRun(_plan(checks=checks, verdict=Verdict()), profiles, memory, audited=some).execute()
    found = {f.key.removeprefix("audit/"): f.value for f in memory.kept_findings}
    assert found == {"Rows": 12, "TrainedRows": 12, "WholeRows": n}
    assert n > 12
    assert scores.loc[scores["over"] == "mean", "n"].max() == len(memory.tables["predictions"])
    assert memory.decision is not None
    assert f"Audited on 12 of {n} plates, drawn from all batches (audit_wells)." in memory.decision.note


def test_folds_share_what_they_do_not_change(screen: Screen) -> None:
    """A plate-scoped method is fitted once for all folds; a train-scoped one once per fold."""
    profiles = screen()
    for normalizer, once in ((AllWithin(), True), (DmsoAcross(), False), (Raw(), True)):
        run = EvaluationRun(_plan(normalizer=normalizer), profiles, Memory())
        first, second = (run.screen.for_split(split) for split in run.folds.splits[:2])
        assert (first is second) is once
        assert run.screen.depends_on_training is not once


@pytest.mark.parametrize("normalizer", [DmsoAcross(), Combat(), AllWithin()], ids=["train", "controls", "plate"])
@pytest.mark.parametrize("figures", [{}, {"blank": Blank()}], ids=["folds", "figures"])
def test_features_without_variance_are_recorded_whoever_asks_for_profiles(
    screen: Screen, normalizer: Any, figures: dict[str, Any]
) -> None:
    """A figure has a method that is fitted by fold fitted once more, on all rows: it adds nothing to the table."""
    profiles, memory = screen(), Memory()
    run = EvaluationRun(_plan(normalizer=normalizer, figures=figures), profiles, memory)
    run.execute()
    table = memory.tables["zero_variance"]
    assert table.duplicated(["plate", "feature", "fallback"]).sum() == 0
    constant = table[table["feature"] == profiles.features[0]]
    assert set(constant["fallback"]) == {"centred"}
    assert len(constant) == (6 if isinstance(normalizer, AllWithin) else 1)
    counts = table["fallback"].value_counts()
    assert memory.kept_metrics["norm/zero_variance_centred"] == counts["centred"]
    seen: list[pd.DataFrame] = []
    for split in run.folds.splits:
        normalize(profiles, normalizer, split, report=seen.append)
    columns = ["plate", "feature_number", "fallback"]
    expected = set(pd.concat(seen)[columns].itertuples(index=False, name=None))
    assert set(table[columns].itertuples(index=False, name=None)) == expected


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"aggregate": "modus"}, "aggregate='modus'"),
        ({"tasks": {}}, "no task"),
        ({"models": {}}, "no model"),
        ({"metrics": []}, "no metric"),
        ({"seed": -1}, "seed=-1"),
        ({"seed": True}, "seed=True"),
        ({"seed": 2**32}, "seed=4294967296"),
        ({"n_resamples": 1}, "n_resamples=1"),
        ({"n_resamples": 2.5}, "n_resamples=2.5"),
    ],
)
def test_a_plan_that_cannot_work_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        _plan(**changes)


def test_an_integer_of_numpy_is_a_seed() -> None:
    assert _plan(seed=np.int64(7)).seed == 7


class Prior(LogisticRegression):
    """A baseline for arrays."""


def test_two_tasks_of_different_kind_stand_in_one_run() -> None:
    profiles, assays = assay_screen()
    memory = Memory()
    plan = _plan(
        tasks={"dmso_vs_treated": DmsoVsTreated(), "assays": assays},
        models={"lr": LogisticRegression(C=1e-4, max_iter=2000)},
        baselines={"prior": Prior(C=1e-9), "coin": Coin()},
        checks={"real_labels": RealLabels()},
        figures={"roc_pr": RocPr()},
    )
    scores = EvaluationRun(plan, profiles, memory).execute()
    assert (scores["value"].notna() | (scores["reason"] != "")).all()
    kinds = scores.groupby("task")["group"].agg(set)
    assert kinds["dmso_vs_treated"] == {""}
    assert kinds["assays"] == {"", *assays.groups}
    for model in ("lr", "prior"):
        own = scores[(scores["task"] == "assays") & (scores["model"] == model) & (scores["metric"] == "auroc")]
        assert {"mean", "pooled", "fold", "q25", "median", "q75", "above_0.7"} <= set(own[own["group"] == ""]["over"])
    predicted = memory.tables["predictions"]
    single = predicted[predicted["task"] == "dmso_vs_treated"]
    assert (single["group"] == "").all()
    of_assays = predicted[(predicted["task"] == "assays") & (predicted["model"] == "lr")]
    assert not of_assays.duplicated(["group", "compound"]).any()
    assert set(memory.tables["resamples"]["task"]) == {"dmso_vs_treated", "assays"}
    pd.testing.assert_frame_equal(memory.tables["assays"], assays.tables()["assays"])
    found = {f.key: f.value for f in memory.kept_findings}
    assert found["audit/real_labels/assays/lr/minus_raw"] == 0  # the normalization is raw
    (mean,) = scores[
        (scores["task"] == "assays") & (scores["model"] == "lr") & (scores["metric"] == "auroc")
        & (scores["over"] == "mean") & (scores["group"] == "")
    ]["value"]  # fmt: skip
    assert found["audit/real_labels/assays/lr/auroc"] == mean
    assert set(memory.tables["roc_pr"]["task"]) == {"dmso_vs_treated"}


def test_a_covariate_that_a_task_predicts_is_refused_before_anything_is_loaded() -> None:
    task = AssayActivity(column="line")
    with pytest.raises(InputError, match="covariates: column 'line' holds the labels of task assay_activity"):
        _plan(tasks={"assay_activity": task}, normalizer=Combat(covariates=["line"]))
    assert _plan(tasks={"assay_activity": task}, normalizer=Combat(covariates=["age"])).tasks
