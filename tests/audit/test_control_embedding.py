from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest
from audit_toys import compound_screen
from scipy.spatial.distance import cdist
from sklearn.decomposition import PCA

from harness.audit.shared.control_embedding import embed_controls
from harness.core.exceptions import NotApplicable
from harness.numerics.components import components, standardized
from harness.numerics.neighbors import nearest


def test_features_count_alike_whatever_their_level_and_scale() -> None:
    rng = np.random.default_rng(0)
    X = (np.array([1e6, -3, 0.5]) + np.array([4.0, 1e-3, 100]) * rng.gamma(2, size=(500, 3))).astype(np.float32)
    Z = standardized(X)
    exact = X.astype(np.float64)
    np.testing.assert_allclose(Z, (exact - exact.mean(axis=0)) / exact.std(axis=0), atol=1e-5)
    origin = np.arange(500) < 100
    moved = standardized(X, origin=origin)
    np.testing.assert_allclose(moved[origin].mean(axis=0, dtype=np.float64), 0, atol=1e-5)
    np.testing.assert_allclose(moved.std(axis=0), 1, rtol=1e-4)


def test_constant_features_are_left_out_not_divided_by() -> None:
    X = np.random.default_rng(0).standard_normal((30, 4)).astype(np.float32)
    X[:, 1], X[:, 2] = 1e7 + 1, 0.1
    assert standardized(X).shape == (30, 2)
    with pytest.raises(NotApplicable, match="no feature"):
        standardized(X[:, 1:3])


def test_components_are_those_of_an_exact_pca() -> None:
    rng = np.random.default_rng(1)
    X = (rng.standard_normal((300, 5)) @ rng.standard_normal((5, 40)) + 1e4).astype(np.float32)
    Z, exact = components(X, 5), PCA(5).fit_transform(standardized(X).astype(np.float64))
    np.testing.assert_allclose(np.abs(Z), np.abs(exact), atol=1e-2)
    assert components(X, 50).shape == (300, 40)


def test_neighbours_are_exact_and_never_the_well_itself() -> None:
    Z = np.random.default_rng(2).standard_normal((80, 3)).astype(np.float32) + np.float32(100)
    Z[7] = Z[3]
    D = cdist(Z, Z)
    np.fill_diagonal(D, np.inf)
    distances, indices = nearest(Z, 6)
    np.testing.assert_allclose(distances, np.sort(D, axis=1)[:, :6], atol=1e-5)
    assert (indices != np.arange(80)[:, None]).all()
    assert indices[3, 0] == 7


def test_controls_of_a_run(audited: Any) -> None:
    profiles = compound_screen()
    found = embed_controls(audited(profiles))
    assert (found.wells["role"] == "negcon").all()
    assert found.Z.shape == (72, 25)
    assert found.neighbours[1].shape == (72, 71)
    few = profiles.take((profiles.wells["plate"].isin(["p9", "p1"])).to_numpy())
    assert len(embed_controls(audited(few)).Z) == 16
    tiny = few.take(np.isin(np.arange(len(few.wells)) % 3, [0]))
    with pytest.raises(NotApplicable, match="control wells; batch metrics need 10"):
        embed_controls(audited(tiny))


def test_what_is_shared_is_made_once_and_dies_with_its_profiles() -> None:
    profiles, made = compound_screen(), []
    for _ in range(3):
        profiles.cached("key", lambda: made.append(1))
    assert made == [1]
    gone = weakref.ref(profiles)
    del profiles
    gc.collect()
    assert gone() is None
