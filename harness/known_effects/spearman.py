"""Rank correlations with intervals from resampled compounds; differences are paired over the same draws."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.core.arrays import Doubles
from harness.core.exceptions import NotApplicable
from harness.core.seeding import generator
from harness.scoring.bootstrap import interval

FEWEST = 5  # compounds; with fewer a rank correlation has no interval worth the name
FEWEST_OF_ONE = 3  # treatments of a compound
_BLOCK = 1 << 20  # weights at a time: 8 MB


@dataclass(frozen=True)
class Correlation:
    """A rank correlation, its 95% interval, the ``n`` it rests on and its value in each draw, (R,)."""

    value: float
    lower: float
    upper: float
    n: int
    draws: Doubles

    def minus(self, other: Correlation) -> Correlation:
        """Return the paired difference; both come from the same treatments, resamples and seed."""
        draws = self.draws - other.draws
        return Correlation(self.value - other.value, *interval(draws), self.n, draws)


def spearman(x: Doubles, y: Doubles, compound: NDArray[np.object_], *, n_resamples: int, seed: int) -> Correlation:
    """Return Spearman's rank correlation of x and y (n,), ties by mid-ranks; pairs with a NaN are left out.

    Interval: percentiles over resamples of compounds, each with all its treatments (doses of a compound are not
    independent). Draws depend on the seed and the number of compounds; rows must come in one order, e.g. sorted by
    compound.

    Raises
    ------
    NotApplicable : fewer than 5 compounds, or x or y is the same for all.
    """
    defined = np.isfinite(x) & np.isfinite(y)
    x, y = x[defined], y[defined]
    names, codes = np.unique(compound[defined].astype(str), return_inverse=True)
    if len(names) < FEWEST:
        raise NotApplicable(f"{len(names)} compounds with both values; a rank correlation needs {FEWEST}")
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        raise NotApplicable(f"one value for all {len(names)} compounds; a rank correlation needs different ones")
    times = _draw(len(names), n_resamples, seed)
    step = max(1, _BLOCK // len(x))
    blocks = [times[i : i + step][:, codes] for i in range(0, n_resamples, step)]
    draws = np.concatenate([_weighted(x, y, block) for block in blocks])
    value = float(_weighted(x, y, np.ones((1, len(x))))[0])
    return Correlation(value, *interval(draws), len(x), draws)


def within_compounds(
    x: Doubles, y: Doubles, compound: NDArray[np.object_], *, n_resamples: int, seed: int
) -> Correlation:
    """Return the mean over compounds of Spearman's correlation over the treatments of each; ``n`` counts compounds.

    Meant for doses: they can be compared within a compound, while between compounds potency decides. Only compounds
    with 3 treatments, not all of one value, take part. Interval and rows as for :func:`spearman`.

    Raises
    ------
    NotApplicable : fewer than 5 such compounds.
    """
    defined = np.isfinite(x) & np.isfinite(y)
    names = compound.astype(str)
    correlations = []
    for name in np.unique(names[defined]):
        of_compound = defined & (names == name)
        if of_compound.sum() >= FEWEST_OF_ONE:
            correlations.append(float(_weighted(x[of_compound], y[of_compound], np.ones((1, of_compound.sum())))[0]))
    rho = np.array(correlations)[~np.isnan(correlations)]
    if len(rho) < FEWEST:
        raise NotApplicable(f"{len(rho)} compounds with {FEWEST_OF_ONE} different treatments; {FEWEST} are needed")
    times = _draw(len(rho), n_resamples, seed)
    draws = times @ rho / len(rho)
    return Correlation(float(rho.mean()), *interval(draws), len(rho), draws)


def _draw(n: int, n_resamples: int, seed: int) -> Doubles:
    """Return how often each of n compounds is drawn, (n_resamples, n)."""
    rng = generator(seed, "bootstrap compounds", n)
    return rng.multinomial(n, np.full(n, 1 / n), n_resamples).astype(np.float64)


def _weighted(x: Doubles, y: Doubles, weight: Doubles) -> Doubles:
    """Return Spearman's rho if row i counts ``weight`` (R, n) times: (R,); NaN if x or y has a single value then."""
    a, b = _ranks(x, weight), _ranks(y, weight)
    total = weight.sum(axis=1, keepdims=True)
    a -= (weight * a).sum(axis=1, keepdims=True) / total
    b -= (weight * b).sum(axis=1, keepdims=True) / total
    covariance, variances = (weight * a * b).sum(axis=1), (weight * a * a).sum(axis=1) * (weight * b * b).sum(axis=1)
    rho = np.full(len(weight), np.nan)
    np.divide(covariance, np.sqrt(variances), out=rho, where=variances > 0)
    return rho


def _ranks(x: Doubles, weight: Doubles) -> Doubles:
    """Return the mid-rank of each of x (n,) if rows count ``weight`` (R, n) times, up to a constant, (R, n)."""
    order = np.argsort(x, kind="stable")
    place = np.unique(x, return_inverse=True)[1]
    starts = np.flatnonzero(np.diff(x[order], prepend=np.nan) != 0)
    counts = np.add.reduceat(weight[:, order], starts, axis=1)
    return np.asarray((counts.cumsum(axis=1) - counts / 2)[:, place])
