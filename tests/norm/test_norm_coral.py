"""Alignment of batches by their controls against matrix square roots written out by hand; and its null."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from correlated import auroc_of_norm, correlated_noise, folds, hold_out
from scipy.linalg import fractional_matrix_power

from harness.core.arrays import Doubles
from harness.core.evaluation import Split
from harness.core.exceptions import InputError
from harness.core.profiles import Profiles
from harness.norm.coral import Coral
from harness.norm.engine.normalize import normalize


def output(profiles: Profiles, split: Split | None = None, **options: Any) -> Doubles:
    return normalize(profiles, Coral(**options), split, aggregate="none").X.astype(np.float64)


def by_hand(X: Doubles, own: Doubles, reference: Doubles, shrinkage: float) -> Doubles:
    """CORAL of rows X from the controls of their batch and those of the training batches, on standardized features."""
    mean, sd = reference.mean(axis=0), reference.std(axis=0, ddof=1)
    z, c, r = (X - mean) / sd, (own - mean) / sd, (reference - mean) / sd
    ridge = shrinkage * np.eye(X.shape[1])
    whiten = fractional_matrix_power(np.cov(c.T) + ridge, -0.5).real
    color = fractional_matrix_power(np.cov(r.T) + ridge, 0.5).real
    return (z - c.mean(axis=0)) @ whiten @ color * sd + mean


@pytest.mark.parametrize("exchangeable", [False, True])
@pytest.mark.parametrize("n_features", [7, 60])
def test_seen_and_unseen_batches_are_aligned_as_written_out_by_hand(
    n_features: int, exchangeable: bool, screen: Any
) -> None:
    """With 60 features a batch has fewer control rows than features."""
    profiles = screen(awkward=False, sites=(1,), n_features=n_features)
    unseen = (profiles.wells["batch"] == "b1").to_numpy()
    split = Split("b1", ~unseen, unseen)
    fold = np.zeros(len(unseen), dtype=int)
    if exchangeable:
        fold = np.concatenate([folds(p, 4) for p in profiles])
    X, control = profiles.X.astype(np.float64), (profiles.wells["role"] == "negcon").to_numpy()
    expected = np.empty_like(X)
    for batch in ("b1", "b2", "b3"):
        here = (profiles.wells["batch"] == batch).to_numpy()
        for f in np.unique(fold):
            kept = control & ((fold != f) | (not exchangeable))
            rows = here & (fold == f)
            expected[rows] = by_hand(X[rows], X[kept & here], X[kept & ~unseen], 0.5)
    got = output(profiles, split, shrinkage=0.5, exchangeable=exchangeable, n_folds=4)
    sd = X[control].std(axis=0)
    np.testing.assert_allclose(got / sd, expected / sd, rtol=1e-3, atol=1e-3)


def test_without_shrinkage_the_controls_of_each_batch_get_mean_and_covariance_of_all(screen: Any) -> None:
    profiles = screen(awkward=False, sites=(2,), n_features=6)
    control = (profiles.wells["role"] == "negcon").to_numpy()
    got = output(profiles, shrinkage=0, exchangeable=False)
    sd = profiles.X[control].std(axis=0)
    for batch in ("b1", "b2", "b3"):
        rows = control & (profiles.wells["batch"] == batch).to_numpy()
        np.testing.assert_allclose(got[rows].mean(axis=0) / sd, profiles.X[control].mean(axis=0) / sd, atol=1e-3)
        np.testing.assert_allclose(np.cov((got[rows] / sd).T), np.cov((profiles.X[control] / sd).T), atol=1e-3)


def test_controls_are_given_away_by_the_textbook_form_only() -> None:
    """96 controls among 384 wells, 6 screens; 4 standard errors are 0.056."""
    screens = [correlated_noise(seed, n_features=40) for seed in range(6)]
    assert abs(np.mean([auroc_of_norm(s, Coral(), in_units=True) for s in screens]) - 0.5) < 0.056
    assert np.mean([auroc_of_norm(s, Coral(exchangeable=False), in_units=True) for s in screens]) > 0.6


@pytest.mark.parametrize(("on_constant", "word"), [("centre", "centred"), ("leave", "left alone")])
def test_features_that_do_not_vary_among_controls_lose_their_level_and_are_reported(
    screen: Any, on_constant: Any, word: str
) -> None:
    profiles = screen()
    tables: list[pd.DataFrame] = []
    got = normalize(profiles, Coral(on_constant=on_constant), aggregate="none", report=tables.append).X
    level = np.float32([1e7 + 1, -37.3]) if on_constant == "centre" else np.float32([0, 0])
    np.testing.assert_array_equal(got[:, :2], profiles.X[:, :2] - level)
    assert dict(zip(tables[0]["feature_number"], tables[0]["fallback"], strict=True)) == dict.fromkeys((0, 1), word)


def test_what_cannot_work_is_refused(screen: Any) -> None:
    profiles = screen(n_features=60)
    with pytest.raises(InputError, match=r"batch 'b3' has rank \d+ in 58 features, singular with norm.shrinkage=0"):
        output(profiles, shrinkage=0)
    with pytest.raises(InputError, match="shrinkage -1; expected a number >= 0"):
        output(profiles, shrinkage=-1)
    role = profiles.wells["role"].where(profiles.wells["plate"] != "p5", "treated")
    role = role.where(profiles.wells["plate"] != "p6", "treated")
    bare = profiles.replace(wells=profiles.wells.assign(role=role))
    with pytest.raises(InputError, match=r"0 negative control wells in .*, 0 where a fold is left out"):
        output(bare, hold_out(profiles, "p7"))
