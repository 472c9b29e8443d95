"""The calibration's screens and maps are what they are called, by evidence that is not the audit's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from experiments.verdict_calibration.cells import NULL, SPECIAL
from experiments.verdict_calibration.identity import retrieval
from experiments.verdict_calibration.methods import DESTROYERS, HARMLESS, method
from experiments.verdict_calibration.real_background import is_available
from experiments.verdict_calibration.simulator import DISTRIBUTIONS, Screen, two_batches
from harness.core.profiles import Profiles
from harness.norm.dmso_within import DmsoWithin
from harness.norm.engine.normalize import normalize

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::harness.norm.engine.exchangeable.FewControlsWarning"),
]

SMALL = {"n_batches": 4, "plates_per_batch": 3}
MILD = {"clipped_mildly", "tanh_mildly"}


def screen(name: str = "", **changes: object) -> Profiles:
    return Screen(**{**SMALL, **SPECIAL.get(name, {}), **changes}).profiles(3)  # type: ignore[arg-type]


def kept(name: str) -> float:
    """Return the retrieval of compounds after the map as a share of that after dmso_within alone."""
    profiles = screen(name)
    return retrieval(normalize(profiles, method(name))) / retrieval(normalize(profiles, DmsoWithin()))


def heldout_auroc(profiles: Profiles) -> float:
    """Return the AUROC of control against treated on held-out batches by logistic regression, the mean over batches."""
    y, batch = (profiles.wells["role"] == "treated").to_numpy(), profiles.wells["batch"].to_numpy()
    scores = []
    for name in np.unique(batch):
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, class_weight="balanced", max_iter=1000))
        model.fit(profiles.X[batch != name], y[batch != name])
        scores.append(roc_auc_score(y[batch == name], model.decision_function(profiles.X[batch == name])))
    return float(np.mean(scores))


@pytest.mark.parametrize("name", sorted(set(DESTROYERS) - MILD))
def test_destroyers_lose_the_identity_of_compounds(name: str) -> None:
    assert kept(name) < 0.85


@pytest.mark.parametrize("name", sorted(HARMLESS))
def test_harmless_maps_keep_the_identity_of_compounds(name: str) -> None:
    assert kept(name) > 0.93


def test_a_screen_is_decided_by_its_seed() -> None:
    first, again, other = Screen(**SMALL).profiles(1), Screen(**SMALL).profiles(1), Screen(**SMALL).profiles(2)
    np.testing.assert_array_equal(first.X, again.X)
    assert first.wells.equals(again.wells)
    assert not np.array_equal(first.X, other.X)


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_a_null_screen_retrieves_compounds_by_chance_and_a_real_one_does_not(distribution: str) -> None:
    changes = {"distribution": distribution}
    nothing = retrieval(normalize(screen("", active=0.0, **changes), DmsoWithin()))
    something = retrieval(normalize(screen("", **changes), DmsoWithin()))
    assert nothing < 0.04
    assert something > 0.15


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_likenesses_of_two_batches_score_as_the_real_ones_do(seed: int) -> None:
    assert 0.77 < heldout_auroc(two_batches().profiles(seed)) < 0.91


def test_controls_in_outer_columns_with_nothing_there_look_treated_by_position_alone() -> None:
    from experiments.verdict_calibration.cells import FIXED

    assert heldout_auroc(normalize(FIXED.profiles(0), DmsoWithin())) > 0.8
    assert heldout_auroc(normalize(NULL.profiles(0), DmsoWithin())) < 0.6


def test_compounds_lie_on_as_many_plates_as_replicates_and_never_twice_on_one() -> None:
    wells = Screen(**SMALL).profiles(0).wells
    treated = wells[wells["role"] == "treated"]
    assert (treated.groupby("compound").size() == 8).all()
    assert not treated.duplicated(["plate", "compound"]).any()
    assert treated.groupby("compound")["batch"].nunique().min() > 1


def test_active_shares_follow_plates_and_batches_as_asked() -> None:
    rich = Screen(active_on_plates=(0.1, 0.9)).profiles(0).wells
    share = rich[rich["role"] == "treated"].groupby("plate")["active"].mean().to_numpy()
    np.testing.assert_allclose(share, np.tile([0.1, 0.9], 10))
    confounded = Screen(active_in_batches=(0.1, 0.3, 0.5, 0.7, 0.9)).profiles(0).wells
    share = confounded[confounded["role"] == "treated"].groupby("batch")["active"].mean().to_numpy()
    np.testing.assert_allclose(share, [0.1, 0.3, 0.5, 0.7, 0.9])


@pytest.mark.skipif(not is_available(), reason="the files of BBBC021 are absent; set HARNESS_SHARED_DATA")
def test_real_control_wells_carry_batches_and_planted_effects() -> None:
    profiles = screen(background="bbbc021")
    assert np.isfinite(profiles.X).all()
    assert retrieval(normalize(profiles, DmsoWithin())) > 0.15
    assert len(np.unique(profiles.X, axis=0)) == len(profiles.X)


@pytest.mark.skipif(not is_available(), reason="the files of BBBC021 are absent; set HARNESS_SHARED_DATA")
def test_mechanisms_of_bbbc021_say_that_whole_plate_scores_lose_what_control_scores_keep() -> None:
    from experiments.verdict_calibration.bbbc021 import mechanisms, profiles

    screen = profiles()
    assert len(screen.wells) == 632
    kept, lost = (mechanisms(normalize(screen, method(name))) for name in ("dmso_within", "all_within"))
    assert kept[0] > lost[0] + 0.05
    assert kept[1] > lost[1] + 0.05
