"""Find features that rise or fall from row to row of the file, or from well to well of the plate."""

from __future__ import annotations

from dataclasses import dataclass
from math import lgamma, log

import numpy as np
from numpy.typing import NDArray

from harness.core.arrays import Floats, Mask
from harness.leak_guard.sample import Wells

_STEADY = 0.99  # share of steps in one direction
_FEWEST_WELLS = 4  # of a plate that counts


@dataclass(frozen=True)
class RowOrder:
    """Order of wells: its name, and the rows of each plate in that order."""

    name: str
    plates: list[NDArray[np.intp]]


def row_orders(wells: Wells) -> list[RowOrder]:
    """Return the order of the rows of the file, then well order by rows and columns, straight and in serpentines."""
    plates = [rows for rows in wells.plates() if len(rows) >= _FEWEST_WELLS]
    orders = [RowOrder("the rows of the file", plates)]
    if not {"row", "column"} <= set(wells.table) or wells.table[["row", "column"]].isna().to_numpy().any():
        return orders
    row, column = (wells.table[name].to_numpy(dtype=np.int64) for name in ("row", "column"))
    for name, first, second in (("rows", row, column), ("columns", column, row)):
        forth_and_back = np.where(first % 2 == 0, -second, second)
        orders.append(RowOrder(f"the wells by {name}", [p[np.lexsort((second[p], first[p]))] for p in plates]))
        serpentine = [p[np.lexsort((forth_and_back[p], first[p]))] for p in plates]
        orders.append(RowOrder(f"the wells by {name} in serpentines", serpentine))
    return orders


def follows(X: Floats, order: RowOrder) -> Mask:
    """Return the features that rise, or fall, along ``order`` on every plate; (n_features,)."""
    steady = np.full(X.shape[1], bool(order.plates))
    for rows in order.plates:
        steps = np.diff(X[rows], axis=0)
        steady &= ((steps > 0).mean(axis=0) >= _STEADY) | ((steps < 0).mean(axis=0) >= _STEADY)
    return steady


def is_regular(X: Floats, order: RowOrder) -> Mask:
    """Return the features that consist of whole numbers, or rise in equal steps on a plate; (n_features,).

    A measurement by which the file was sorted rises too, but in unequal steps.
    """
    whole = (np.floor(X) == X).all(axis=0)
    equal = np.ones(X.shape[1], dtype=bool)
    for rows in order.plates:
        steps = np.diff(X[rows].astype(np.float64), axis=0)
        equal &= np.ptp(steps, axis=0) <= 1e-3 * np.abs(steps).mean(axis=0)
    regular: Mask = whole | equal
    return regular


def chance_bits(order: RowOrder) -> float:
    """Return -log2 of the chance that a feature of noise rises, or falls, along ``order`` on every plate."""
    return sum((lgamma(len(rows) + 1) / log(2) - 1 for rows in order.plates), 0.0)


def same_order(one: RowOrder, other: RowOrder) -> bool:
    """Return whether both go from well to well in the same way on every plate."""
    return all(np.array_equal(a, b) for a, b in zip(one.plates, other.plates, strict=True))
