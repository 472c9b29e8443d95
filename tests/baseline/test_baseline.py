from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from places import ROOT

from harness.core.evaluation import Evaluation
from harness.core.exceptions import NotApplicable
from harness.core.profiles import Profiles
from harness.data.demo import Demo
from harness.data.wells.aggregation import well_table
from harness.metric.auroc import Auroc
from harness.metric.log_loss import LogLoss
from harness.norm.dmso_within import DmsoWithin
from harness.norm.engine.normalize import normalize
from harness.norm.raw import Raw
from harness.scoring.evaluate import evaluate
from harness.split.leave_batch_out import LeaveBatchOut
from harness.split.random_wells import RandomWells
from harness.task.dmso_vs_treated import DmsoVsTreated

NAMES = sorted(path.stem for path in (ROOT / "conf" / "baseline").glob("*.yaml"))


def evaluations(profiles: Profiles, model: Any, splitter: Any = None) -> list[Evaluation]:
    folds = (splitter or LeaveBatchOut()).split(well_table(profiles.wells))
    return [evaluate(profiles, fold, DmsoVsTreated(), model) for fold in folds]


def auroc(profiles: Profiles, model: Any, splitter: Any = None) -> float:
    return float(np.mean([Auroc()(e) for e in evaluations(profiles, model, splitter)]))


@pytest.fixture(scope="module")
def baselines(member: Any) -> dict[str, Any]:
    return {name: member("baseline", name) for name in NAMES}


@pytest.fixture(scope="module")
def fixed_layout() -> Profiles:
    return normalize(Demo(scenario="fixed_layout", size="tiny").profiles(), Raw())


@pytest.mark.parametrize("name", [name for name in NAMES if name != "row_norm"])
def test_no_feature_is_read(name: str, baselines: dict[str, Any], demo: Profiles) -> None:
    blank = demo.replace(X=np.full_like(demo.X, 7.0), planted=None)
    for seen, unseen in zip(evaluations(demo, baselines[name]), evaluations(blank, baselines[name]), strict=True):
        np.testing.assert_array_equal(seen.score, unseen.score)


@pytest.mark.parametrize("name", NAMES)
def test_scores_are_probabilities_on_the_training_sets_class_frequencies(
    name: str, baselines: dict[str, Any], demo: Profiles
) -> None:
    for e in evaluations(demo, baselines[name]):
        assert ((e.score >= 0) & (e.score <= 1)).all()
        assert e.score.mean() == pytest.approx(e.threshold, abs=0.06)


def test_position_gives_a_fixed_layout_away_and_not_a_random_one(
    baselines: dict[str, Any], fixed_layout: Profiles, demo: Profiles
) -> None:
    assert auroc(fixed_layout, baselines["position"]) > 0.99
    # 94 controls among 561 wells: standard error 0.033
    assert abs(auroc(demo, baselines["position"]) - 0.5) < 0.13


def test_the_plate_says_nothing_about_an_unseen_batch_and_something_about_a_seen_plate(
    baselines: dict[str, Any], screen: Any
) -> None:
    profiles = screen(sites=(1,), n_wells=36, n_controls=6)
    few = profiles.wells["plate"].isin(["p10", "p8", "p6"])
    more = (profiles.wells["role"] == "treated") & few & (np.arange(len(few)) % 2 == 0)
    profiles = profiles.replace(wells=profiles.wells.assign(role=profiles.wells["role"].where(~more, "negcon")))
    for e in evaluations(profiles, baselines["plate"]):
        assert Auroc()(e) == 0.5
        assert len(np.unique(e.score)) == 1
    assert auroc(profiles, baselines["plate"], RandomWells()) > 0.65


def test_the_prior_is_exactly_chance(baselines: dict[str, Any], demo: Profiles) -> None:
    for e in evaluations(demo, baselines["prior"]):
        assert Auroc()(e) == 0.5
        np.testing.assert_allclose(e.score, e.threshold, rtol=1e-6)
        base, q = e.threshold, e.y.mean()
        assert LogLoss()(e) == pytest.approx(-(q * np.log(base) + (1 - q) * np.log(1 - base)), rel=1e-5)


def with_toxic_wells(profiles: Profiles) -> Profiles:
    """Treated wells hold half the cells, on plates of very different density."""
    cells = dict(zip(profiles.wells["plate"].unique(), (40, 600, 200, 50, 900, 90), strict=True))
    density = profiles.wells["plate"].map(cells)
    rng = np.random.default_rng(0)
    loss = np.where(profiles.wells["role"] == "treated", 0.5, 1.0) * rng.normal(1, 0.15, len(density)).clip(0.3)
    return profiles.replace(wells=profiles.wells.assign(cell_count=(density * loss).astype(float)))


def test_cell_count_finds_toxicity_across_plates_of_different_density(baselines: dict[str, Any], screen: Any) -> None:
    profiles = with_toxic_wells(screen(sites=(1,), n_wells=36, n_controls=12))
    assert auroc(profiles, baselines["cell_count"]) > 0.9


@pytest.mark.parametrize(
    ("name", "column"), [("cell_count", "cell_count"), ("position", "row"), ("position", "column")]
)
@pytest.mark.parametrize("how", ["absent", "incomplete"])
def test_a_column_that_is_absent_or_incomplete_is_not_applicable(
    name: str, column: str, how: str, baselines: dict[str, Any], demo: Profiles
) -> None:
    wells = demo.wells.drop(columns=column)
    if how == "incomplete":
        wells[column] = demo.wells[column].where(demo.wells.index != 17)
    with pytest.raises(NotApplicable, match=f"no complete column `{column}`"):
        evaluations(demo.replace(wells=wells), baselines[name])


def test_a_plate_without_cells_has_a_finite_relative_count(baselines: dict[str, Any], demo: Profiles) -> None:
    first = demo.wells["plate"] == demo.wells["plate"].iloc[0]
    wells = demo.wells.assign(cell_count=demo.wells["cell_count"].where(~first, 0))
    for e in evaluations(demo.replace(wells=wells), baselines["cell_count"]):
        assert np.isfinite(e.score).all()


def test_the_row_norm_catches_the_textbook_form_on_noise_and_not_the_exchangeable_one(
    baselines: dict[str, Any], noise_screen: Any
) -> None:
    profiles = noise_screen()
    assert auroc(normalize(profiles, DmsoWithin(exchangeable=False)), baselines["row_norm"]) > 0.95
    assert abs(auroc(normalize(profiles, DmsoWithin()), baselines["row_norm"]) - 0.5) < 0.13  # standard error 0.032


def test_a_row_of_zeros_has_a_finite_norm(baselines: dict[str, Any], demo: Profiles) -> None:
    X = demo.X.copy()
    X[::7] = 0
    for e in evaluations(demo.replace(X=X), baselines["row_norm"]):
        assert np.isfinite(e.score).all()


def test_the_norm_of_large_profiles_does_not_overflow(baselines: dict[str, Any], demo: Profiles) -> None:
    huge = baselines["row_norm"].design(demo.replace(X=np.full_like(demo.X, 1e30)))["log_norm"]
    np.testing.assert_allclose(huge, np.log(1e30) + 0.5 * np.log(demo.X.shape[1]), rtol=1e-6)
