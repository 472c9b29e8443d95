from __future__ import annotations

from decimal import Decimal, getcontext
from typing import Any

import numpy as np
import pytest
from scipy import optimize

from harness.core.arrays import Doubles
from harness.core.exceptions import InputError
from harness.norm.combat_model.empirical_bayes import Effect, Prior, nonparametric, parametric, prior_of


def batch(n: int, G: int, seed: int = 0, spread: float = 1.0) -> Doubles:
    """Standardized rows of one batch, (n, G): every feature with its own shift and scale."""
    rng = np.random.default_rng(seed)
    return 0.7 + spread * rng.normal(0, 0.5, G) + rng.gamma(4, 0.3, G) * rng.standard_normal((n, G))


def hat_of(Z: Doubles) -> Effect:
    return Effect(len(Z), Z.mean(axis=0), Z.var(axis=0, ddof=1))


def by_products_of_densities(Z: Doubles) -> tuple[Doubles, Doubles]:
    """Johnson's non-parametric estimates as published: densities multiplied over rows, in 60 decimal digits."""
    getcontext().prec = 60
    n, G = Z.shape
    gamma = [sum(map(Decimal, column)) / n for column in Z.T.tolist()]
    delta = [sum((Decimal(x) - g) ** 2 for x in c) / (n - 1) for c, g in zip(Z.T.tolist(), gamma, strict=True)]
    two_pi = Decimal(2) * Decimal("3.14159265358979323846264338327950288419716939937510582097494")
    out = np.empty((2, G))
    for i in range(G):
        others = [k for k in range(G) if k != i]
        x = [Decimal(v) for v in Z[:, i].tolist()]
        likelihood = []
        for k in others:
            squares = sum((v - gamma[k]) ** 2 for v in x)
            likelihood.append((-squares / (2 * delta[k])).exp() / (two_pi * delta[k]) ** (Decimal(n) / 2))
        total = sum(likelihood)
        for row, values in zip(out, (gamma, delta), strict=True):
            row[i] = float(sum(w * values[k] for w, k in zip(likelihood, others, strict=True)) / total)
    return out[0], out[1]


@pytest.mark.parametrize(("n", "G"), [(2, 5), (7, 9), (60, 12), (200, 16)])
def test_the_closed_form_is_the_product_of_densities(n: int, G: int) -> None:
    Z = batch(n, G)
    star = nonparametric(hat_of(Z))
    gamma, delta = by_products_of_densities(Z)
    np.testing.assert_allclose(star.gamma, gamma, rtol=1e-9)
    np.testing.assert_allclose(star.delta, delta, rtol=1e-9)


@pytest.mark.parametrize("n", [500, 20_000, 10**7])
def test_the_closed_form_is_finite_and_nearly_one_hot_at_many_rows(n: int) -> None:
    rng = np.random.default_rng(1)
    hat = Effect(n, rng.normal(0, 3, 400), rng.gamma(2, 1, 400) + 1e-3)
    star = nonparametric(hat)
    assert np.isfinite(star.gamma).all()
    assert (star.delta > 0).all()
    values = hat.gamma[None] - star.gamma[:, None]
    np.fill_diagonal(values, np.inf)
    assert (np.abs(values).min(axis=1) < 1e-6).mean() > (0.8 if n > 1000 else 0)


def test_blocks_of_rows_change_nothing(monkeypatch: Any) -> None:
    hat = hat_of(batch(30, 150))
    whole = nonparametric(hat)
    monkeypatch.setattr("harness.norm.combat_model.empirical_bayes._BLOCK", 700)
    blocks = nonparametric(hat)
    np.testing.assert_allclose(blocks.gamma, whole.gamma, rtol=1e-12)
    np.testing.assert_allclose(blocks.delta, whole.delta, rtol=1e-12)


@pytest.mark.parametrize("n", [2, 5, 40, 3000])
def test_the_parametric_form_is_where_the_posterior_is_highest_given_the_other(n: int) -> None:
    """g* maximizes N(g; g_, t2) prod N(z; g, d*), and d* the mean of its inverse gamma posterior, from the rows."""
    Z = batch(n, 6, seed=3)
    hat = hat_of(Z)
    prior = prior_of(hat.gamma, hat.delta)
    star = parametric(hat, prior)
    m, s2 = prior.scale, prior.scale_variance
    a, b = (2 * s2 + m**2) / s2, (m * s2 + m**3) / s2
    for g in range(6):
        d, z = star.delta[g], Z[:, g]

        def negative_log(x: float, z: Any = z, d: float = d) -> float:
            return float(((z - x) ** 2).sum() / (2 * d) + (x - prior.location) ** 2 / (2 * prior.location_variance))

        best = optimize.minimize_scalar(negative_log, bracket=(-5, 5), tol=1e-12).x
        np.testing.assert_allclose(star.gamma[g], best, rtol=1e-5, atol=1e-7)
        shape, rate = a + n / 2, b + ((z - star.gamma[g]) ** 2).sum() / 2
        np.testing.assert_allclose(d, rate / (shape - 1), rtol=1e-8)


def test_the_prior_has_the_moments_of_the_estimates() -> None:
    hat = hat_of(batch(20, 50))
    prior = prior_of(hat.gamma, hat.delta)
    assert prior.location == pytest.approx(np.mean(hat.gamma))
    assert prior.location_variance == pytest.approx(np.sum((hat.gamma - hat.gamma.mean()) ** 2) / 49)
    assert prior.scale_variance == pytest.approx(np.var(hat.delta, ddof=1))


def test_known_scales_need_no_special_case() -> None:
    """s2 = 0: d* = m whatever the data, and g* is the posterior mean of a normal with known variance."""
    hat = Effect(9, np.array([1.0, -2.0, 0.3]), np.array([0.5, 1.0, 7.0]))
    star = parametric(hat, Prior(0.2, 0.5, 2.0, 0.0))
    np.testing.assert_array_equal(star.delta, 2.0)
    np.testing.assert_allclose(star.gamma, (9 * 0.5 * hat.gamma + 2 * 0.2) / (9 * 0.5 + 2))


def test_many_rows_leave_the_estimates_as_they_are_and_few_shrink_them() -> None:
    gamma, delta = np.array([1.0, -2.0, 0.3]), np.array([0.5, 1.0, 3.0])
    prior = prior_of(gamma, delta)
    many, few = parametric(Effect(10**8, gamma, delta), prior), parametric(Effect(2, gamma, delta), prior)
    np.testing.assert_allclose(many.gamma, gamma, rtol=1e-6)
    np.testing.assert_allclose(many.delta, delta, rtol=1e-6)
    assert (np.abs(few.gamma - prior.location) < np.abs(gamma - prior.location)).all()


def test_an_iteration_that_does_not_settle_is_an_error(monkeypatch: Any) -> None:
    monkeypatch.setattr("harness.norm.combat_model.empirical_bayes._MAX_ITERATIONS", 2)
    hat = hat_of(batch(3, 5))
    with pytest.raises(InputError, match="did not settle in 2 iterations"):
        parametric(hat, prior_of(hat.gamma, hat.delta))
