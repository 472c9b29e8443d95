from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from audit_toys import by_key

from harness.audit.detection import Detection, minimum_effect
from harness.data.demo import Demo
from harness.norm.all_within import AllWithin
from harness.norm.noise import Noise
from harness.norm.raw import Raw
from harness.split.leave_batch_out import LeaveBatchOut
from harness.types import Profiles

GRID = (0.1, 0.2, 0.4, 0.8)
KEY = "audit/detection"


@pytest.fixture(scope="module")
def screen() -> Profiles:
    return Demo(scenario="null", size="tiny", plates_per_batch=3, seed=1).profiles()


def findings(audited: Any, profiles: Profiles, normalizer: Any, **options: Any) -> Any:
    splits = list(LeaveBatchOut().split(audited(profiles).wells))
    context = audited(profiles, normalizer, splits=splits, n_resamples=40)
    options = {"amplitudes": (0.2, 0.6, 3.0), "arms": ["common"], "n_components": 20, **options}
    return by_key(Detection(**options).findings(context))


def effect(*aurocs: float, target: float = 0.75) -> float:
    return float(minimum_effect(np.array([aurocs]), GRID[: len(aurocs)], target)[0])


def test_the_minimum_effect_is_linear_in_log_amplitude() -> None:
    assert effect(0.5, 0.6, 0.7, 0.8) == pytest.approx(0.4 * 2**0.5)
    assert effect(0.5, 0.7, 0.9) == pytest.approx(0.2 * 2**0.25)
    assert effect(0.6, 0.75, 0.9) == pytest.approx(0.2)
    assert effect(0.75) == pytest.approx(0.1)
    assert effect(0.6, 0.7, 0.8, target=0.65) == pytest.approx(0.1 * 2**0.5)


def test_below_the_smallest_amplitude_the_curve_starts_from_chance_at_a_tenth_of_it() -> None:
    assert effect(1.0) == pytest.approx(0.01 * 10**0.5)
    assert effect(0.875) == pytest.approx(0.01 * 10 ** (0.25 / 0.375))


def test_an_effect_that_is_never_found_is_infinite() -> None:
    assert effect(0.5, 0.6, 0.7, 0.749) == math.inf
    assert effect(0.2, 0.1) == math.inf
    assert effect(math.nan, math.nan) == math.inf


def test_a_dip_after_the_first_crossing_or_before_it_changes_nothing() -> None:
    assert effect(0.5, 0.8, 0.6, 0.9) == effect(0.5, 0.8)
    assert effect(0.7, 0.6, 0.8) == pytest.approx(0.2 * 2**0.5)


@pytest.mark.parametrize("seed", range(5))
def test_a_better_curve_has_a_smaller_minimum_effect(seed: int) -> None:
    rng = np.random.default_rng(seed)
    curve = rng.uniform(0.4, 0.9, (200, 4))
    better = curve + rng.uniform(0, 0.1, curve.shape)
    assert (minimum_effect(better, GRID, 0.75) <= minimum_effect(curve, GRID, 0.75) * (1 + 1e-12)).all()
    np.testing.assert_array_equal(
        minimum_effect(curve, GRID, 0.75), [minimum_effect(row[None], GRID, 0.75)[0] for row in curve]
    )


def test_raw_against_raw_is_one_to_the_last_digit(audited: Any, screen: Profiles) -> None:
    found = findings(audited, screen, Raw(), arms=["matched", "common"])
    for arm in ("matched", "common"):
        ratio = found[f"{KEY}/{arm}/mde_ratio"]
        assert (ratio.value, ratio.lower, ratio.upper) == (1, 1, 1)
        assert found[f"{KEY}/{arm}/mde"].value == found[f"{KEY}/{arm}/raw_mde"].value
    assert not [key for key in found if "sparse" in key]


def test_stronger_effects_are_found_more_easily_and_weak_ones_not_at_all(audited: Any, screen: Profiles) -> None:
    found = findings(audited, screen, Raw(), arms=["position_bound"], amplitudes=(0.001, 0.3, 3.0))
    weak, middle, strong = (found[f"{KEY}/position_bound/auroc_at_{a:g}"] for a in (0.001, 0.3, 3.0))
    assert abs(weak.value - 0.5) < 0.1
    assert weak.value < middle.value < strong.value
    assert strong.value > 0.99
    for f in (weak, middle, strong):
        assert f.lower <= f.value + 1e-9
        assert f.upper >= f.value - 1e-9
    mde = found[f"{KEY}/position_bound/mde"]
    assert 0.001 < mde.lower <= mde.value <= mde.upper < 3


def test_nothing_is_found_in_noise(audited: Any, screen: Profiles) -> None:
    found = findings(audited, screen, Noise())
    assert found[f"{KEY}/common/mde"].value == math.inf
    ratio = found[f"{KEY}/common/mde_ratio"]
    assert (ratio.value, ratio.lower, ratio.upper) == (math.inf,) * 3
    mde = found[f"{KEY}/common/mde"]
    assert (mde.lower, mde.upper) == (math.inf, math.inf)


def test_without_an_effect_in_raw_profiles_there_is_no_ratio(audited: Any, screen: Profiles) -> None:
    found = findings(audited, screen, AllWithin(), amplitudes=(0.0005, 0.001))
    ratio = found[f"{KEY}/common/mde_ratio"]
    assert math.isnan(ratio.value)
    assert ratio.reason == "raw profiles do not reach the target at any amplitude"


def test_taking_batch_shifts_away_makes_weak_effects_easier_to_find(audited: Any) -> None:
    profiles = Demo(scenario="null", size="tiny", plates_per_batch=3, n_controls=30, seed=4).profiles()
    found = findings(audited, profiles, AllWithin(), arms=["sparse"], amplitudes=(0.2, 0.4, 0.8, 2.0))
    assert found[f"{KEY}/sparse/mde_ratio"].value < 1


def test_held_out_wells_are_scored_and_only_treated_ones(audited: Any, screen: Profiles) -> None:
    """Controls and positive controls replaced by garbage after scales are known: nothing about them is scored."""
    splits = list(LeaveBatchOut().split(audited(screen).wells))
    context = audited(screen, Raw(), splits=splits, n_resamples=20)
    check = Detection(amplitudes=(0.5,), arms=["common"], n_components=10)
    bench = check.bench(context)
    arm = check.others(bench, 0)[1]
    axes = check.axes(context, bench, context.normalize)
    controls = (screen.wells["role"] != "treated").to_numpy()

    def garbled(profiles: Profiles) -> Any:
        made = context.normalize(profiles)(None)
        X = made.X.copy()
        X[controls] = 1e6
        return lambda _: made.replace(X=X)

    plain, spoilt = (check.curve(context, bench, arm, norm, axes) for norm in (context.normalize, garbled))
    assert plain.shape == (21, 1)
    np.testing.assert_array_equal(plain, spoilt)
