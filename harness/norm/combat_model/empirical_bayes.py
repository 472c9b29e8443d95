"""Empirical Bayes estimates of a batch's location and scale, from its sufficient statistics alone.

Johnson, Li, Rabinovic 2007, "Adjusting batch effects in microarray expression data using empirical Bayes methods",
Biostatistics 8(1). G features; every array is (G,), in units of the pooled residual sd.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.core.arrays import Doubles
from harness.core.exceptions import InputError

_TOLERANCE = 1e-10
_MAX_ITERATIONS = 10_000
_BLOCK = 1 << 16  # elements: 512 KB of float64 stay in the second-level cache


@dataclass(frozen=True)
class Effect:
    """Mean ``gamma`` and variance ``delta`` (divisor n - 1) of ``n`` rows of a batch; delta > 0."""

    n: float
    gamma: Doubles
    delta: Doubles


@dataclass(frozen=True)
class Prior:
    """gamma ~ N(location, location_variance); delta ~ inverse gamma of mean ``scale`` and variance ``scale_variance``.

    Johnson's a = (2 s2 + m^2) / s2 and b = (m s2 + m^3) / s2, kept as m and s2, so that s2 = 0 (all scales known) is
    an ordinary value.
    """

    location: float
    location_variance: float
    scale: float
    scale_variance: float


def prior_of(gamma: Doubles, delta: Doubles) -> Prior:
    """Return the prior with the moments of the estimates, over all their elements (at least two; divisor n - 1)."""
    return Prior(float(gamma.mean()), float(gamma.var(ddof=1)), float(delta.mean()), float(delta.var(ddof=1)))


def parametric(hat: Effect, prior: Prior) -> Effect:
    """Return the posterior mode by fixed-point iteration; no pass over the data per iteration.

    g* = (n t2 g^ + d* g_) / (n t2 + d*), d* = (b + SS / 2) / (n / 2 + a - 1), SS = (n - 1) d^ + n (g^ - g*)^2.

    Raises
    ------
    InputError : no fixed point within 10,000 iterations.
    """
    n, m, s2 = hat.n, prior.scale, prior.scale_variance
    precision = n * prior.location_variance
    delta = hat.delta
    gamma = hat.gamma
    for _ in range(_MAX_ITERATIONS):
        before = gamma, delta
        gamma = (precision * hat.gamma + delta * prior.location) / (precision + delta)
        squares = (n - 1) * hat.delta + n * (hat.gamma - gamma) ** 2
        delta = (m * s2 + m**3 + s2 * squares / 2) / (s2 * (n / 2 + 1) + m**2)
        if max(np.abs(gamma - before[0]).max(), np.abs(delta / before[1] - 1).max()) < _TOLERANCE:
            return Effect(n, gamma, delta)
    raise InputError(
        f"ComBat: the posterior of a batch of {n:.0f} rows did not settle in {_MAX_ITERATIONS} iterations; "
        "leave out features far off scale, or choose norm.mean_only=true"
    )


def nonparametric(hat: Effect) -> Effect:
    """Return the posterior means under the distribution of the *other* features' estimates, O(G^2); 2 features or more.

    g*_i = sum_k w_ik g^_k and d*_i = sum_k w_ik d^_k over k != i, where w_i is the softmax over k of
    -n/2 [log d^_k + (v_i + (g^_i - g^_k)^2) / d^_k], v_i = d^_i (n - 1) / n: the likelihood of the rows of feature i
    under the estimates of feature k, in logarithms. Finite at any n.
    """
    n, gamma, delta = hat.n, hat.gamma, hat.delta
    G = len(gamma)
    biased = delta * (n - 1) / n
    inverse, log_delta = -n / 2 / delta, -n / 2 * np.log(delta)
    values = np.stack([gamma, delta, np.ones(G)], axis=1)
    sums = np.empty((G, 3))
    step = max(1, _BLOCK // G)
    for start in range(0, G, step):
        rows = np.arange(start, min(start + step, G))
        log_weight = gamma[rows, None] - gamma
        log_weight *= log_weight
        log_weight += biased[rows, None]
        log_weight *= inverse
        log_weight += log_delta
        log_weight[rows - start, rows] = -np.inf
        log_weight -= log_weight.max(axis=1, keepdims=True)
        np.exp(log_weight, out=log_weight)
        np.matmul(log_weight, values, out=sums[rows[0] : rows[-1] + 1])
    return Effect(n, sums[:, 0] / sums[:, 2], sums[:, 1] / sums[:, 2])
