"""Tukey's median polish of many features at once, over wells of which some may be missing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.core.arrays import Doubles, Floats
from harness.numerics.leave_one_out_quantiles import median
from harness.numerics.median import median_of_first

_MAX_SWEEPS, _TOLERANCE = 10, 0.01  # those of R's medpolish
_BLOCK_BYTES = 1 << 19  # wells of so many features that they stay in the second-level cache

Codes = NDArray[np.int64]


def position_effects(X: Floats, row: Codes, column: Codes, shape: tuple[int, int]) -> tuple[Doubles, Doubles, Doubles]:
    """Return effects of the plate (G,), of each row (R, G) and of each column (C, G); their sum is the expectation.

    Sweeps rows, then columns, until a feature's sum of absolute residuals changes by less than 1%, at most 10 times
    (Tukey 1977, "Exploratory data analysis"; the stopping rule is that of R's ``medpolish``).

    Parameters
    ----------
    X : (n_wells, G). ``row``, ``column`` : (n_wells,) numbers from 0, below ``shape`` = (R, C). A row or column
        without a well gets the median effect of the others.
    """
    plate = median(X)
    by_row, by_column = _lines(row), _lines(column)
    rows, columns = (np.zeros((n, X.shape[1]), dtype=np.float32) for n in shape)
    width = max(1, _BLOCK_BYTES // (4 * len(X)))
    for start in range(0, X.shape[1], width):
        block = slice(start, start + width)
        Z = (X[:, block] - plate[block]).astype(np.float32)
        _polish(Z, (by_row, row, rows[:, block]), (by_column, column, columns[:, block]))
    for lines, effects in ((by_row, rows), (by_column, columns)):
        observed = np.concatenate([numbers for numbers, _ in lines])
        unknown = np.setdiff1d(np.arange(len(effects)), observed)
        effects[unknown] = np.median(effects[observed], axis=0)
    return plate, rows.astype(np.float64), columns.astype(np.float64)


def _polish(Z: Floats, *axes: tuple[list[tuple[Codes, Codes]], Codes, Floats]) -> None:
    """Add to the effects of each axis (lines, number of each well's line, effects) those of Z (n_wells, G)."""
    n, active, before = len(Z), np.arange(Z.shape[1]), np.zeros(Z.shape[1])
    Z = np.concatenate([Z, np.full_like(Z[:2], np.inf)])
    Z[n] = -np.inf
    for _ in range(_MAX_SWEEPS):
        for lines, codes, effects in axes:
            step = np.zeros((len(effects), Z.shape[1]), dtype=np.float32)
            for numbers, wells in lines:
                step[numbers] = median_of_first(Z[wells])
            Z[:n] -= step[codes]
            if len(active) == effects.shape[1]:
                effects += step
            else:
                effects[:, active] += step
        after = np.abs(Z[:n]).sum(axis=0, dtype=np.float64)
        moving = np.abs(after - before) >= _TOLERANCE * after
        moving &= after > 0
        if not moving.any():
            break
        active, before, Z = active[moving], after[moving], Z[:, moving]


def _lines(codes: Codes) -> list[tuple[Codes, Codes]]:
    """Return the rows (or columns) that have wells, those of even and of odd size: their numbers, (n,), and wells.

    (longest, n). To a shorter one are added as many wells of minus infinity (number n_wells) as of infinity (n_wells +
    1): its median stays.
    """
    lines = [(number, np.flatnonzero(codes == number)) for number in np.unique(codes).tolist()]
    groups = []
    for odd in (0, 1):
        alike = [(number, wells) for number, wells in lines if len(wells) % 2 == odd]
        if alike:
            longest = max(len(wells) for _, wells in alike)
            padded = np.empty((longest, len(alike)), dtype=np.int64)
            for i, (_, wells) in enumerate(alike):
                fill = (longest - len(wells)) // 2
                padded[:, i] = np.r_[wells, np.repeat([len(codes), len(codes) + 1], fill)]
            groups.append((np.array([number for number, _ in alike]), padded))
    return groups
