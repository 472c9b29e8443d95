"""Sums and means of rows by group."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.core.arrays import Doubles, Floats


def group_sums(values: Floats | Doubles, group: NDArray[np.intp], n_groups: int | None = None) -> Doubles:
    """Sum the rows of each group in float64: ``values`` (n, d), ``group`` (n,) 0..n_groups-1; (n_groups, d)."""
    sums = np.zeros((n_groups or int(group.max()) + 1, values.shape[1]))
    np.add.at(sums, group, values)
    return sums


def group_means(values: Floats | Doubles, group: NDArray[np.intp]) -> Doubles:
    """Return the mean of the rows of each group, (n_groups, d); every group must have a row."""
    means: Doubles = group_sums(values, group) / np.bincount(group)[:, None]
    return means
