from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from harness.core.arrays import Doubles
from harness.core.profiles import Profiles
from harness.norm.combat import Combat
from harness.norm.combat_nonparametric import CombatNonparametric
from harness.norm.engine.normalize import normalize


def brute_force(X: Doubles, batch: Any, *, mean_only: bool = False) -> Doubles:
    """Non-parametric ComBat of rows X (n, G): likelihoods summed over rows by fsum, one pair of features at a time."""
    total = np.array([math.fsum(column) / len(X) for column in X.T])
    residual = np.concatenate([X[batch == b] - X[batch == b].mean(axis=0) for b in set(batch)])
    sigma = np.sqrt((residual**2).sum(axis=0) / len(X))
    out, G = np.empty_like(X), X.shape[1]
    for b in set(batch):
        Z = (X[batch == b] - total) / sigma
        gamma, delta = Z.mean(axis=0), np.ones(G) if mean_only else Z.var(axis=0, ddof=1)
        for i in range(G):
            others = [k for k in range(G) if k != i]
            log = [-math.fsum(math.log(delta[k]) + (z - gamma[k]) ** 2 / delta[k] for z in Z[:, i]) / 2 for k in others]
            weight = [math.exp(value - max(log)) for value in log]
            g, d = (math.fsum(w * v[k] for w, k in zip(weight, others, strict=True)) for v in (gamma, delta))
            g, d = g / math.fsum(weight), d / math.fsum(weight)
            out[batch == b, i] = sigma[i] * (Z[:, i] - g) / math.sqrt(d) + total[i]
    return out


def rows(profiles: Profiles, method: Any) -> Any:
    return normalize(profiles, method, aggregate="none").X


def filled(profiles: Profiles) -> Any:
    return (profiles.wells["role"] != "empty").to_numpy()


@pytest.mark.parametrize("mean_only", [False, True])
def test_filled_rows_are_as_published(screen: Any, mean_only: bool) -> None:
    profiles = screen(awkward=False, n_plates=4, n_features=9, seed=4)
    keep = filled(profiles)
    X = profiles.X[keep].astype(np.float64)
    expected = brute_force(X, profiles.wells.loc[keep, "batch"].to_numpy(), mean_only=mean_only)
    got = rows(profiles, CombatNonparametric(scope="transductive", mean_only=mean_only))[keep]
    assert (np.abs(got - expected) <= 1e-6 * X.std(axis=0) + 4e-7 * np.abs(expected)).all()  # a few float32 roundings
    assert (np.abs(got - rows(profiles, Combat(mean_only=mean_only))[keep]) / X.std(axis=0)).max() > 1e-2


def test_equal_to_neurocombat_where_that_does_not_underflow(screen: Any) -> None:
    neurocombat = pytest.importorskip("neuroCombat").neuroCombat
    profiles = screen(awkward=False, n_plates=4, n_features=9, n_wells=14, seed=4)
    keep = filled(profiles)
    X = profiles.X[keep].astype(np.float64)
    expected = neurocombat(X.T, profiles.wells.loc[keep, ["batch"]], "batch", parametric=False)["data"].T
    got = rows(profiles, CombatNonparametric(scope="transductive"))[keep]
    assert (np.abs(got - expected) / X.std(axis=0)).max() < 1e-4


def test_finite_at_thousands_of_rows_per_batch(noise_screen: Any) -> None:
    """Where the product of densities is 0 / 0."""
    profiles = noise_screen(n_plates=10, n_batches=2, n_wells=800, k=90, n_features=64)
    Z = rows(profiles, CombatNonparametric())
    assert np.isfinite(Z).all()
    np.testing.assert_allclose(Z.std(axis=0), profiles.X.std(axis=0), rtol=0.05)
