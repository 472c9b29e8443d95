"""Tukey's median polish of many features at once, over wells of which some may be missing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.middle import halfway, middle
from harness.norm.order import median
from harness.types import Doubles, Floats

_MAX_SWEEPS, _TOLERANCE = 10, 0.01  # those of R's medpolish

Codes = NDArray[np.int64]


def position_effects(X: Floats, row: Codes, column: Codes, shape: tuple[int, int]) -> tuple[Doubles, Doubles, Doubles]:
    """Effects of the plate (G,), of each row (R, G) and of each column (C, G): their sum is a well's expectation.

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
    active = np.arange(X.shape[1])
    Z = (X - plate).astype(np.float32)
    before = np.zeros(X.shape[1])
    for _ in range(_MAX_SWEEPS):
        for lines, codes, effects in ((by_row, row, rows), (by_column, column, columns)):
            step = np.zeros((len(effects), Z.shape[1]), dtype=np.float32)
            for numbers, wells in lines:
                step[numbers] = halfway(middle(Z[wells]))
            Z -= step[codes]
            effects[:, active] += step
        after = np.abs(Z).sum(axis=0, dtype=np.float64)
        moving = np.abs(after - before) >= _TOLERANCE * after
        moving &= after > 0
        active, before, Z = active[moving], after[moving], Z[:, moving]
        if not len(active):
            break
    for lines, effects in ((by_row, rows), (by_column, columns)):
        known = np.concatenate([numbers for numbers, _ in lines])
        unknown = np.setdiff1d(np.arange(len(effects)), known)
        effects[unknown] = np.median(effects[known], axis=0)
    return plate, rows.astype(np.float64), columns.astype(np.float64)


def _lines(codes: Codes) -> list[tuple[Codes, Codes]]:
    """Rows (or columns) of equally many wells together: their numbers (n,) and their wells (n, count)."""
    order = np.argsort(codes, kind="stable")
    numbers, starts, counts = np.unique(codes[order], return_index=True, return_counts=True)
    return [
        (numbers[counts == c], order[starts[counts == c][:, None] + np.arange(c)]) for c in np.unique(counts).tolist()
    ]
