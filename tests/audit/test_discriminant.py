from __future__ import annotations

import numpy as np
import pytest
from sklearn.covariance import ledoit_wolf
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from harness.audit.discriminant import _shrunk, discriminant


def data(n: int, p: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.random(n) < 0.2
    mix = rng.normal(size=(p, p)) * 10 ** rng.uniform(-1, 2, p)
    return (rng.standard_normal((n, p)) @ mix + 300 + 5 * y[:, None] * mix[0]).astype(np.float32), y


@pytest.mark.parametrize(("n", "p"), [(400, 12), (60, 50), (30, 80)])
def test_scores_are_those_of_scikit_learn(n: int, p: int) -> None:
    Z, y = data(n, p)
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(Z.astype(np.float64), y)
    expected = Z.astype(np.float64) @ (model.coef_[0] / np.linalg.norm(model.coef_))
    w = discriminant(Z, y)
    np.testing.assert_allclose(Z @ (w / np.linalg.norm(w)), expected, rtol=1e-6)


@pytest.mark.parametrize(("n", "p"), [(200, 7), (9, 30), (5, 1)])
def test_the_shrunk_covariance_is_that_of_scikit_learn(n: int, p: int) -> None:
    X = data(n, p, seed=n)[0].astype(np.float64)
    X -= X.mean(axis=0)
    np.testing.assert_allclose(_shrunk(X), ledoit_wolf(X, assume_centered=True)[0], rtol=1e-9)


def test_a_constant_feature_takes_no_part() -> None:
    Z, y = data(100, 5)
    Z[:, 2] = 7
    w = discriminant(Z, y)
    assert np.isfinite(w).all()
    assert abs(w[2]) < 1e-9 * abs(w).max()
