from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from command import SMALL, run_command, runs_of
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from harness.audit.base import AuditContext, Check
from harness.audit.controls_vs_controls import ControlsVsControls
from harness.core.exceptions import InputError
from harness.core.finding import Finding
from harness.core.profiles import Profiles
from harness.data.wells.aggregation import well_table
from harness.metric.auroc import Auroc
from harness.model.encode import Encoded, encoded, unseen
from harness.model.pipeline import pipeline
from harness.model.projection import Projection
from harness.norm.raw import Raw
from harness.run.evaluation_run import EvaluationRun
from harness.run.plan import EvaluationPlan
from harness.scoring.evaluate import evaluate
from harness.split.base import Splitter
from harness.split.leave_batch_out import LeaveBatchOut
from harness.split.random_wells import RandomWells
from harness.task.dmso_vs_treated import DmsoVsTreated

pytestmark = pytest.mark.slow

TASK = DmsoVsTreated()
MODELS = ("logistic", "lightgbm")


@pytest.fixture(scope="module")
def confounded(noise_screen: Any) -> Profiles:
    """Noise; the share of controls is 0.1, 0.3, 0.6 and 0.85 in the four batches."""
    profiles: Profiles = noise_screen(n_features=8)
    rng = np.random.default_rng(2)
    share = profiles.wells["batch"].map({"b0": 0.1, "b1": 0.3, "b2": 0.6, "b3": 0.85}).to_numpy()
    role = np.where(rng.random(len(share)) < share, "negcon", "treated")
    return profiles.replace(wells=profiles.wells.assign(role=role))


def auroc(profiles: Profiles, model: Any, splitter: Splitter) -> float:
    """Pooled over folds' held-out wells, then the mean of the folds."""
    folds = splitter.split(well_table(profiles.wells))
    return float(np.mean([Auroc()(evaluate(profiles, fold, TASK, model)) for fold in folds]))


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("by", ["batch", "plate"])
def test_a_batch_that_gives_the_label_away_is_used_inside_training_batches_and_is_no_use_outside(
    confounded: Profiles, member: Any, name: str, by: str
) -> None:
    plain = member("model", name)
    with_batch = Encoded(model=plain, by=by)
    assert auroc(confounded, plain, RandomWells(n_folds=3)) < 0.6
    assert auroc(confounded, with_batch, RandomWells(n_folds=3)) > 0.7
    assert abs(auroc(confounded, with_batch, LeaveBatchOut()) - 0.5) < 0.08


def test_predictions_are_those_of_a_design_matrix_made_by_pandas(screen: Any) -> None:
    """One-hot columns behind the scaled features; class weights are undone as for any model."""
    profiles = screen(sites=(1,), awkward=False)
    fold = next(iter(RandomWells(n_folds=3).split(well_table(profiles.wells))))
    y = TASK.labels(profiles.wells)
    train, test = fold.train & ~np.isnan(y), fold.test & ~np.isnan(y)
    scaled = StandardScaler().fit(profiles.X[train]).transform(profiles.X)
    dummies = pd.get_dummies(profiles.wells["plate"]).astype(float)
    design = np.hstack([scaled, dummies / dummies[train].std(ddof=0)])
    expected = LogisticRegression(C=0.3).fit(design[train], y[train]).predict_proba(design[test])[:, 1]
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.3))
    found = evaluate(profiles, fold, TASK, Encoded(model=model, by="plate")).score
    np.testing.assert_allclose(found, expected, atol=1e-4)
    weighted = make_pipeline(StandardScaler(), LogisticRegression(C=0.3, class_weight="balanced"))
    assert Encoded(model=weighted, by="plate").class_weight == "balanced"
    undone = evaluate(profiles, fold, TASK, Encoded(model=weighted, by="plate")).score
    assert abs(undone.mean() - expected.mean()) < 0.03 < abs(undone.mean() - 0.5)


def test_levels_are_learned_in_training_and_unseen_ones_are_all_zero(screen: Any) -> None:
    profiles = screen(sites=(1,))
    in_training = (profiles.wells["batch"] != "b2").to_numpy()
    y = np.arange(in_training.sum()) % 2
    model = Encoded(model=pipeline(classifier=LogisticRegression()), by="batch").fit(profiles.take(in_training), y)
    assert model.levels_ == ["b1", "b3"]
    columns = model.design(profiles)[:, -2:]
    assert columns.dtype == np.float32
    assert columns[in_training].std(axis=0) == pytest.approx(1)
    expected = np.stack([profiles.wells["batch"] == "b1", profiles.wells["batch"] == "b3"], axis=1)
    np.testing.assert_array_equal(columns != 0, expected)
    assert not columns[~in_training].any()
    np.testing.assert_array_equal(model.design(profiles)[:, :-2], profiles.X)


def test_a_projection_of_wide_profiles_does_not_drop_the_columns(confounded: Profiles) -> None:
    wide = pipeline(
        scale=StandardScaler(), project=Projection(n_components=2, above=4), classifier=LogisticRegression()
    )
    assert auroc(confounded, Encoded(model=wide, by="batch"), RandomWells(n_folds=3)) > 0.75


def test_the_wrapped_model_is_left_as_it_is_and_can_be_set(screen: Any) -> None:
    inner = pipeline(scale=StandardScaler(), classifier=LogisticRegression())
    outer = clone(Encoded(model=inner, by="batch")).set_params(model__classifier__C=7.0)
    profiles = screen(sites=(1,), awkward=False)
    outer.fit(profiles, np.arange(len(profiles.X)) % 2)
    assert outer.classifier_.C == 7.0
    assert not hasattr(inner[0], "mean_")
    assert encoded({"m": inner}, None) == {"m": inner}


def test_the_share_of_held_out_wells_that_are_unseen(screen: Any) -> None:
    wells = well_table(screen().wells)
    leave, rand = (list(s.split(wells)) for s in (LeaveBatchOut(), RandomWells()))
    assert unseen(wells, leave, "batch") == (["b1", "b2", "b3"], 1.0)
    assert unseen(wells, leave, "plate") == (sorted(wells["plate"].unique()), 1.0)
    assert unseen(wells, rand, "batch") == ([], 0.0)
    partly = [*leave[:1], *rand]
    n = leave[0].test.sum()
    assert unseen(wells, partly, "batch")[1] == pytest.approx(n / (n + len(wells)))


class SeesEncoded(Check):
    """1 where all models that a check may train are encoded."""

    def findings(self, context: AuditContext) -> Iterator[Finding]:
        yield Finding("audit/encoded", float(all(isinstance(m, Encoded) for m in context.models.values())))


class Metrics:
    """A recorder that keeps metrics and findings."""

    def __init__(self) -> None:
        self.kept: dict[str, float] = {}

    def metrics(self, values: Mapping[str, float]) -> None:
        self.kept |= values

    def findings(self, findings: Any) -> None:
        self.kept |= {f.key: f.value for f in findings}

    def scores(self, table: pd.DataFrame) -> None:
        mean = table[table["over"] == "mean"]
        self.kept |= dict(zip(mean["model"], mean["value"], strict=True))

    def table(self, *_: Any) -> None: ...

    figure = verdict = table


def run(profiles: Profiles, splitter: Splitter, **changes: Any) -> dict[str, float]:
    plan = EvaluationPlan(
        name="raw",
        normalizer=Raw(),
        splitter=splitter,
        tasks={"dmso_vs_treated": TASK},
        models={"lr": make_pipeline(StandardScaler(), LogisticRegression(C=0.01))},
        metrics=[Auroc()],
        n_resamples=10,
        **changes,
    )
    recorder = Metrics()
    EvaluationRun(plan, profiles, recorder).execute()
    return recorder.kept


def test_a_run_encodes_its_models_and_those_of_its_nulls_and_says_what_is_unseen(confounded: Profiles) -> None:
    checks = {"controls_vs_controls": ControlsVsControls(), "encoded": SeesEncoded()}
    with pytest.warns(UserWarning, match="unseen in training") as caught:
        leave = run(confounded, LeaveBatchOut(), encode="batch", checks=checks)
    said = [str(w.message) for w in caught if "unseen" in str(w.message)]
    assert said == ["model.encode=batch: held-out batch b0, b1, b2 and 1 more unseen in training: its columns are zero"]
    assert leave["encode/unseen_batch_share"] == 1
    plain = run(confounded, LeaveBatchOut(), checks=checks)
    assert not {key for key in plain if key.startswith("encode/")}
    assert (plain["audit/encoded"], leave["audit/encoded"]) == (0, 1)
    null = "audit/controls_vs_controls"
    assert not np.isnan(leave[f"{null}/lr/auroc"])
    assert leave[f"{null}/row_norm/auroc"] == plain[f"{null}/row_norm/auroc"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dealt = run(confounded, RandomWells(n_folds=3), encode="batch")
    assert dealt["encode/unseen_batch_share"] == 0
    assert dealt["lr"] > 0.75


def test_the_command_line_takes_it_with_and_without_a_plus(folder: Path) -> None:
    outcome = run_command(folder, "+norm=raw", *SMALL, "model.encode=batch")
    assert outcome.status == 0
    assert "model.encode=batch: held-out batch" in outcome.line
    data = runs_of(folder)["raw"].data
    assert data.params["model.encode"] == "batch"
    assert data.metrics["encode/unseen_batch_share"] == 1
    wrong = run_command(folder, "+norm=raw", *SMALL, "+model.encode=compound")
    assert wrong.status == 2
    assert all(word in wrong.line for word in ("model.encode='compound'", "batch, plate"))


def test_an_unknown_column_is_refused(confounded: Profiles) -> None:
    with pytest.raises(InputError, match=r"model\.encode=site: expected one of batch, plate"):
        run(confounded, LeaveBatchOut(), encode="site")
