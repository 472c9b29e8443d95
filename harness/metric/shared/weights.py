"""Weights of wells under which a metric is computed again: how often a resample draws each well."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.core.arrays import Doubles

_BLOCK = 1 << 16  # weights at a time: half a megabyte, so that they stay in the cache


@dataclass(frozen=True)
class BootstrapWeights:
    """Weights of n wells in R draws, equal for the wells of a plate (or of another unit that is resampled).

    Attributes
    ----------
    by_plate : (R, n_plates) float64 >= 0.
    index : (n,) number of the well's plate.
    """

    by_plate: Doubles
    index: NDArray[np.intp]

    @classmethod
    def once(cls, n: int) -> BootstrapWeights:
        """Return weights that count every well once: a single draw."""
        return cls(np.ones((1, 1)), np.zeros(n, dtype=np.intp))

    def total(self, x: Doubles) -> Doubles:
        """Return the weighted sum of x (n,) or of each column of x (n, m): (R,) or (R, m)."""
        sums = np.zeros((self.by_plate.shape[1], *x.shape[1:]))
        np.add.at(sums, self.index, x)
        return np.asarray(self.by_plate @ sums)

    def blocks(self) -> Iterator[Doubles]:
        """Yield the weights of the wells, a few draws at a time, in order: (<= R, n)."""
        step = max(1, _BLOCK // max(1, len(self.index)))
        for start in range(0, len(self.by_plate), step):
            yield self.by_plate[start : start + step][:, self.index]
