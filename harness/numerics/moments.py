"""Means and variances that can be merged without cancellation.

Chan, Golub, LeVeque 1983, "Algorithms for computing the sample variance", The American Statistician 37(3).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.core.arrays import Doubles, Floats, Mask

_RESOLUTION = float(np.finfo(np.float32).eps)
_SMALLEST = float(np.finfo(np.float32).tiny)  # the inverse of less is infinite in float32
_BLOCK_BYTES = 1 << 19  # rows of one block stay in the second-level cache


@dataclass(frozen=True)
class Moments:
    """Count, mean and sum of squared deviations; arrays broadcast, e.g. n (k, 1) with mean and M2 (k, G)."""

    n: Any
    mean: Doubles
    M2: Doubles

    def __getitem__(self, index: Any) -> Moments:
        return Moments(self.n[index], self.mean[index], self.M2[index])

    def __setitem__(self, index: Any, value: Moments) -> None:
        self.n[index], self.mean[index], self.M2[index] = value.n, value.mean, value.M2

    def merge(self, other: Moments) -> Moments:
        """Return the moments of both samples together; an empty sample (n = 0) is neutral."""
        n = self.n + other.n
        share = other.n / np.maximum(n, 1)
        step = other.mean - self.mean
        move = step * share
        step *= move
        step *= self.n
        step += self.M2
        step += other.M2
        move += self.mean
        return Moments(n, move, step)

    @cached_property
    def sd(self) -> Doubles:
        """Standard deviation with divisor n; exactly 0 if it is below the float32 resolution of the feature.

        As :func:`resolution`, with the feature's own magnitude, so a constant float32 feature counts as constant
        whatever its size, and no epsilon ever becomes a divisor.
        """
        variance = self.M2 / np.maximum(self.n, 1)
        sd: Doubles = np.sqrt(variance)
        sd[variance <= _RESOLUTION**2 * (self.mean**2 + variance) + _SMALLEST**2] = 0.0
        return sd


def resolution(level: Doubles) -> Doubles:
    """Return the spread, in the shape of ``level``, that float32 cannot tell from 0 at that level, nor divide by."""
    return np.maximum(_RESOLUTION * np.abs(level), _SMALLEST)


def moments(X: Floats, *, rows: Mask | None = None) -> Moments:
    """Return the moments of the rows of X (n, n_features), or of those in ``rows`` (n,), accumulated in float64."""
    numbers = np.arange(len(X)) if rows is None else np.flatnonzero(rows)
    total = _empty(X.shape[1])
    step = max(1, _BLOCK_BYTES // (8 * max(1, X.shape[1])))
    for start in range(0, len(numbers), step):
        values = X[numbers[start : start + step]].astype(np.float64)
        mean = values.mean(axis=0)
        values -= mean
        total = total.merge(Moments(np.float64(len(values)), mean, np.einsum("ij,ij->j", values, values)))
    return total


def moments_of(X: Floats, columns: Mask, *, rows: Mask | None = None) -> Moments:
    """Return the moments of some columns only, (n_features,); 0 elsewhere: for the few features that fall back."""
    part = moments(X[:, columns], rows=rows)
    mean, M2 = np.zeros((2, X.shape[1]))
    mean[columns], M2[columns] = part.mean, part.M2
    return Moments(part.n, mean, M2)


def moments_by_well(X: Floats, codes: NDArray[np.int64], k: int) -> Moments:
    """Return the moments of each of k wells, (k, n_features), from rows X whose well numbers are ``codes``."""
    counts = np.bincount(codes, minlength=k)
    order = np.argsort(codes, kind="stable")
    starts = np.r_[0, np.cumsum(counts)[:-1]]
    mean, M2 = np.zeros((2, k, X.shape[1]))
    for well, start, n in zip(range(k), starts, counts, strict=True):
        if n:
            values = X[order[start : start + n]].astype(np.float64)
            values.mean(axis=0, out=mean[well])
            if n > 1:
                values -= mean[well]
                np.einsum("ij,ij->j", values, values, out=M2[well])
    return Moments(counts[:, None].astype(np.float64), mean, M2)


def leave_one_out(wells: Moments) -> Moments:
    """Return, for each of k wells, the moments of the other k - 1: (k, n_features).

    Prefixes merged with suffixes, not the total minus a well: one control far off scale must not cost the others
    their precision.
    """
    k, n_features = wells.mean.shape
    others = Moments(np.empty((k, 1)), np.empty((k, n_features)), np.empty((k, n_features)))
    before = after = _empty(n_features)
    for i in range(k):
        others[i] = before
        before = before.merge(wells[i])
    for i in reversed(range(k)):
        others[i] = others[i].merge(after)
        after = after.merge(wells[i])
    return others


def _empty(n_features: int) -> Moments:
    return Moments(np.float64(0), np.zeros(n_features), np.zeros(n_features))
