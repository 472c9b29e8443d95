from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from harness.core.exceptions import NotApplicable
from harness.known_effects.spearman import spearman, within_compounds


def correlated(n: int = 70, *, slope: float = 1.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Make skewed, tied values far from 0 of compounds with one to three treatments each, in order."""
    rng = np.random.default_rng(seed)
    compound = np.sort(rng.choice([f"c{i:02d}" for i in range(n // 2)], n)).astype(object)
    x = np.round(np.exp(rng.normal(2, 1, n)), 0) + 100
    y = slope * np.log(x - 90) + rng.normal(0, 0.5, n) - 40
    return x, np.round(y, 1), compound


@pytest.mark.parametrize("slope", [1.0, -0.3, 0.0])
def test_value_is_that_of_scipy_with_ties_and_missing_values(slope: float) -> None:
    x, y, compound = correlated(slope=slope)
    assert len(np.unique(x)) < len(x)
    x[[3, 17]], y[40] = np.nan, np.nan
    found = spearman(x, y, compound, n_resamples=20, seed=0)
    known = np.isfinite(x) & np.isfinite(y)
    assert found.value == pytest.approx(spearmanr(x[known], y[known])[0], abs=1e-12)
    assert found.n == known.sum() == 67


def test_each_draw_is_the_correlation_of_its_resample_with_whole_compounds() -> None:
    x, y, compound = correlated(40)
    found = spearman(x, y, compound, n_resamples=30, seed=5)
    from harness.core.seeding import generator

    names = np.unique(compound.astype(str))
    times = generator(5, "bootstrap compounds", len(names)).multinomial(len(names), [1 / len(names)] * len(names), 30)
    for draw, value in zip(times, found.draws, strict=True):
        rows = np.concatenate(
            [np.repeat(np.flatnonzero(compound == name), k) for name, k in zip(names, draw, strict=True)]
        )
        assert value == pytest.approx(spearmanr(x[rows], y[rows])[0], abs=1e-12)
    assert (found.lower, found.upper) == pytest.approx(np.quantile(found.draws, [0.025, 0.975]))


def test_intervals_cover_a_zero_correlation_as_often_as_they_promise() -> None:
    missed = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        compound = np.arange(50).astype(object)
        found = spearman(rng.exponential(size=50), rng.normal(9, 4, 50), compound, n_resamples=200, seed=seed)
        missed += not found.lower <= 0 <= found.upper
    assert missed <= 9  # 5% of 60 is 3; more than 9 has probability 0.001 at 6%


def test_draws_are_the_same_for_the_same_seed_and_differ_for_another() -> None:
    x, y, compound = correlated()
    first, again, other = (spearman(x, y, compound, n_resamples=50, seed=s).draws for s in (1, 1, 2))
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()


def test_a_difference_is_paired() -> None:
    x, y, compound = correlated(200)
    z = y + np.random.default_rng(3).normal(0, 0.1, len(y))
    a, b = (spearman(v, x, compound, n_resamples=200, seed=0) for v in (y, z))
    difference = a.minus(b)
    assert difference.value == pytest.approx(a.value - b.value)
    assert difference.upper - difference.lower < 0.5 * (a.upper - a.lower)
    assert a.minus(a).lower == a.minus(a).upper == 0.0


def test_within_compounds_sees_what_potency_hides() -> None:
    rng = np.random.default_rng(2)
    doses, strength, names = [], [], []
    for i, n in enumerate([3, 4, 6, 3, 5, 8, 2, 7]):
        dose = np.sort(rng.choice(10.0 ** np.arange(-2, 6), n, replace=False)) * 10.0 ** (
            -i
        )  # late compounds are potent
        doses.append(dose)
        strength.append(20.0 * i + np.arange(n) + rng.normal(0, 0.8, n))
        names += [f"c{i}"] * n
    x, y, compound = np.concatenate(doses), np.concatenate(strength), np.array(names, dtype=object)
    found = within_compounds(y, x, compound, n_resamples=200, seed=0)
    each = [spearmanr(d, s)[0] for d, s in zip(doses, strength, strict=True) if len(d) >= 3]
    assert found.value == pytest.approx(np.mean(each))
    assert found.n == 7
    assert found.lower > 0.4
    assert spearman(y, x, compound, n_resamples=50, seed=0).value < 0


def test_what_has_no_rank_correlation_says_why() -> None:
    x, y, compound = correlated()
    with pytest.raises(NotApplicable, match="one value for all"):
        spearman(np.full(len(x), 3.3), y, compound, n_resamples=10, seed=0)
    with pytest.raises(NotApplicable, match="4 compounds with both values"):
        spearman(x[:4], y[:4], np.array(list("abcd"), dtype=object), n_resamples=10, seed=0)
    with pytest.raises(NotApplicable, match="0 compounds with 3 different treatments"):
        within_compounds(x, y, np.arange(len(x)).astype(object), n_resamples=10, seed=0)
