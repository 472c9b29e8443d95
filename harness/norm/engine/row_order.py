"""Rows of a plate in an order of their own: sums of floats then do not depend on the order in which a table came.

The order in which numbers are added changes the last bits of their sum. A method that turns such bits into a choice,
as one-hot weights do, would give other profiles for the same wells.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.core.memoize import remembered
from harness.core.profiles import Plate


def in_order(plates: Sequence[Plate]) -> Iterator[Plate]:
    """Yield each plate with its rows sorted by well and site; rows that share both are sorted by their values."""
    for plate in plates:
        yield _sorted(plate)


def _sorted(plate: Plate) -> Plate:
    order, wells, ties = _arranged(plate.wells)
    if ties.any():
        order = order.copy()
        content = np.array([zlib.crc32(row.tobytes()) for row in plate.X[order]])
        group = np.cumsum(~ties)  # a row that ties with the one before it is of its group
        order = order[np.lexsort((content, group))]
        wells = plate.wells.iloc[order].reset_index(drop=True)
    elif wells is plate.wells:
        return plate
    planted = None if plate.planted is None else plate.planted[order]
    return replace(plate, X=plate.X[order], wells=wells, planted=planted)


@remembered
def _arranged(wells: pd.DataFrame) -> tuple[NDArray[np.int64], pd.DataFrame, NDArray[np.bool_]]:
    """Return the order of rows by well and site, the table in it, and which rows tie with the one before them."""
    codes = [pd.factorize(wells[column], sort=True)[0] for column in ("well", "site") if column in wells]
    order = np.lexsort(codes[::-1]).astype(np.int64)
    ties = np.zeros(len(order), dtype=bool)
    ties[1:] = np.all([code[order][1:] == code[order][:-1] for code in codes], axis=0)
    same = bool((order == np.arange(len(order))).all())
    return order, wells if same else wells.iloc[order].reset_index(drop=True), ties
