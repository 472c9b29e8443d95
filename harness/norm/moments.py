"""Means and variances that can be merged without cancellation.

Chan, Golub, LeVeque 1983, "Algorithms for computing the sample variance", The American Statistician 37(3).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.types import Doubles, Floats

_RESOLUTION = float(np.finfo(np.float32).eps)


@dataclass(frozen=True)
class Moments:
    """Count, mean and sum of squared deviations; arrays broadcast, e.g. n (k, 1) with mean and M2 (k, G)."""

    n: Any
    mean: Doubles
    M2: Doubles

    def __getitem__(self, index: Any) -> Moments:
        return Moments(self.n[index], self.mean[index], self.M2[index])

    def merge(self, other: Moments) -> Moments:
        """Moments of both samples together; an empty sample (n = 0) is neutral."""
        n = self.n + other.n
        share = other.n / np.maximum(n, 1)
        step = other.mean - self.mean
        return Moments(n, self.mean + step * share, self.M2 + other.M2 + step**2 * (self.n * share))

    @cached_property
    def sd(self) -> Doubles:
        """Standard deviation with divisor n; exactly 0 where it is below the float32 resolution of the feature.

        The comparison is with the feature's own magnitude, so a constant float32 feature counts as constant
        whatever its size, and no epsilon ever becomes a divisor.
        """
        variance = self.M2 / np.maximum(self.n, 1)
        magnitude = np.sqrt(self.mean**2 + variance)
        sd = np.sqrt(variance)
        return np.where(sd <= _RESOLUTION * magnitude, 0.0, sd)


def moments(X: Floats) -> Moments:
    """Moments of the rows of X (n, n_features), accumulated in float64."""
    values = X.astype(np.float64)
    mean = values.mean(axis=0) if len(X) else np.zeros(X.shape[1])
    values -= mean
    return Moments(np.float64(len(X)), mean, np.einsum("ij,ij->j", values, values))


def moments_of(X: Floats, columns: NDArray[np.bool_]) -> Moments:
    """Moments of some columns only, (n_features,); 0 elsewhere: for the few features that fall back."""
    part = moments(X[:, columns])
    mean, M2 = np.zeros((2, X.shape[1]))
    mean[columns], M2[columns] = part.mean, part.M2
    return Moments(part.n, mean, M2)


def moments_by_well(X: Floats, codes: NDArray[np.int64], k: int) -> Moments:
    """Moments of each of k wells, (k, n_features), from rows X whose well numbers are ``codes``."""
    counts = np.bincount(codes, minlength=k)
    order = np.argsort(codes, kind="stable")
    values = X[order].astype(np.float64)
    if (counts == 1).all():
        return Moments(np.ones((k, 1)), values, np.zeros_like(values))
    starts = np.r_[0, np.cumsum(counts)[:-1]]
    mean = np.add.reduceat(values, starts, axis=0) / counts[:, None]
    values -= np.repeat(mean, counts, axis=0)
    return Moments(counts[:, None].astype(np.float64), mean, np.add.reduceat(values**2, starts, axis=0))


def leave_one_out(wells: Moments) -> Moments:
    """For each of k wells, the moments of the other k - 1: (k, n_features).

    Prefixes merged with suffixes, not the total minus a well: one control far off scale must not cost the others
    their precision.
    """
    k, n_features = wells.mean.shape
    empty = Moments(np.zeros(1), np.zeros(n_features), np.zeros(n_features))
    before, after = [empty], [empty]
    for i in range(k - 1):
        before.append(before[-1].merge(wells[i]))
        after.append(after[-1].merge(wells[k - 1 - i]))
    merged = [a.merge(b) for a, b in zip(before, reversed(after), strict=True)]
    return Moments(
        np.stack([m.n for m in merged]), np.stack([m.mean for m in merged]), np.stack([m.M2 for m in merged])
    )
