"""Copies of the controls' pattern elsewhere on the plate, in treated wells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.core.arrays import Mask

STEPS = (1, 2, 3)
LEAST_SHARE = 0.75  # of the pattern must find treated wells to stand in


@dataclass(frozen=True)
class PatternCopy:
    """A copy of the controls' pattern: its rows of the wells table, and its distance from the real controls."""

    name: str
    rows: NDArray[np.intp]
    distance: int


def pattern_copies(wells: pd.DataFrame, most: int) -> list[PatternCopy]:
    """Return up to ``most`` copies of each plate's own control pattern, those nearest to it first.

    ``inward_k`` moves every control k columns towards the middle of the plate, ``outward_k`` away from it, and
    ``mirrored`` to the other side. If no such copy stands in treated wells, rows take the place of columns
    (``rows_...``). A copy holds no real control, no position twice, and on every plate at least three of four of the
    pattern's wells.

    Parameters
    ----------
    wells : one row per well, with ``plate, role, row, column``.
    """
    for axis, prefix in (("column", ""), ("row", "rows_")):
        all_copies = [
            copy for name, step in _moves() if (copy := _copy(wells, axis, f"{prefix}{name}", step)) is not None
        ]
        distinct: list[PatternCopy] = []
        for copy in sorted(all_copies, key=lambda copy: (copy.distance, copy.name)):
            if not any(np.array_equal(copy.rows, other.rows) for other in distinct):
                distinct.append(copy)
        if distinct:
            return distinct[:most]
    return []


def _moves() -> Iterator[tuple[str, int]]:
    """Yield the names and steps of the copies; step 0 mirrors."""
    for k, sign in product(STEPS, (1, -1)):
        yield f"{'inward' if sign > 0 else 'outward'}_{k}", sign * k
    yield "mirrored", 0


def _copy(wells: pd.DataFrame, axis: str, name: str, step: int) -> PatternCopy | None:
    """Return the copy by ``step`` along an axis; None if it does not fit among the treated wells."""
    other = "row" if axis == "column" else "column"
    along, across = wells[axis].to_numpy(dtype=np.int64), wells[other].to_numpy(dtype=np.int64)
    low, high = int(along.min()), int(along.max())
    control, treated = ((wells["role"] == role).to_numpy(dtype=bool) for role in ("negcon", "treated"))
    target = low + high - along if step == 0 else along + np.where(2 * along < low + high, step, -step)
    plate = pd.factorize(wells["plate"])[0]
    rows = _standing(plate, across, along, treated, np.column_stack([plate, across, target])[control])
    n_real, n_copy = (np.bincount(plate[x], minlength=plate.max() + 1) for x in (control, rows))
    if (n_copy < LEAST_SHARE * n_real).any() or not len(rows):
        return None
    distance = int(np.abs(target - along)[control].max())
    return PatternCopy(name, rows, distance)


def _standing(
    plate: NDArray[np.intp],
    across: NDArray[np.int64],
    along: NDArray[np.int64],
    treated: Mask,
    target: NDArray[np.int64],
) -> NDArray[np.intp]:
    """Return the rows of treated wells at the positions ``target``: plate, across, along."""
    places = pd.MultiIndex.from_arrays([plate, across, along])
    index = pd.MultiIndex.from_arrays(list(target.T))
    return np.flatnonzero(treated & places.isin(index))
