"""Rows of a plate in a fixed order: sums of floats then do not depend on the order of the rows in the table.

The order in which numbers are added changes the last bits of their sum. A method that turns such bits into a choice,
as one-hot weights do, would give other profiles for the same wells.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.core.arrays import Mask
from harness.core.plate import Plate
from harness.core.well_facts import WellFacts


@dataclass(frozen=True)
class RowOrder:
    """Rows of a plate by well and site.

    Attributes
    ----------
    order : (n_rows,) row numbers in that order.
    wells : the table in that order; None if it already has it.
    ties : (n_rows,) whether a row, in that order, has the well and site of the one before it.
    """

    order: NDArray[np.int64]
    wells: WellFacts | None
    ties: Mask


def in_order(plates: Sequence[Plate]) -> Iterator[Plate]:
    """Yield each plate with its rows sorted by well and site; rows that share both are sorted by their values."""
    for plate in plates:
        yield _sorted(plate)


def _sorted(plate: Plate) -> Plate:
    by_name = plate.facts.cached("row order", lambda: _row_order(plate.wells))
    order, wells = by_name.order, by_name.wells
    if by_name.ties.any():
        content = np.array([zlib.crc32(row.tobytes()) for row in plate.X[order]])
        group = np.cumsum(~by_name.ties)  # a row that ties with the one before it is of its group
        order = order[np.lexsort((content, group))]
        wells = WellFacts(plate.wells.iloc[order].reset_index(drop=True))
    elif wells is None:
        return plate
    planted = None if plate.planted is None else plate.planted[order]
    return replace(plate, X=plate.X[order], wells=wells.table, planted=planted, facts=wells)


def _row_order(wells: pd.DataFrame) -> RowOrder:
    codes = [pd.factorize(wells[column], sort=True)[0] for column in ("well", "site") if column in wells]
    order = np.lexsort(codes[::-1]).astype(np.int64)
    ties = np.zeros(len(order), dtype=bool)
    ties[1:] = np.all([code[order][1:] == code[order][:-1] for code in codes], axis=0)
    same = bool((order == np.arange(len(order))).all())
    return RowOrder(order, None if same else WellFacts(wells.iloc[order].reset_index(drop=True)), ties)
