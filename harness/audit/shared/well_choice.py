"""Seeded choices of wells, plate by plate, that do not depend on the order of rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.core.arrays import Mask
from harness.core.profiles import Plate
from harness.core.seeding import generator


def rows_by_name(plate: Plate, *roles: str) -> NDArray[np.intp]:
    """Return the rows of a plate's wells with one of these roles in the table of the screen, in order of well names."""
    rows = np.flatnonzero(plate.wells["role"].isin(roles).to_numpy())
    return np.asarray(sorted_by_name(rows, plate.wells) + plate.rows.start)


def sorted_by_name(rows: NDArray[np.intp], wells: pd.DataFrame) -> NDArray[np.intp]:
    """Return rows of a table of wells in order of the names of the wells."""
    return np.asarray(rows[np.argsort(wells["well"].to_numpy()[rows], kind="stable")], dtype=np.intp)


def choose_per_plate(
    wells: pd.DataFrame, among: Mask, plates: Sequence[str], most: int, *axes: object
) -> NDArray[np.intp]:
    """Choose at most about ``most`` of the rows in ``among``, equally many from each of ``plates`` if it has them.

    The draw is derived from ``axes`` and the names of plates and wells.
    """
    each = max(2, most // len(plates))
    names = wells["plate"].to_numpy()
    chosen_rows = [
        generator(*axes, plate).permutation(sorted_by_name(np.flatnonzero(among & (names == plate)), wells))[:each]
        for plate in plates
    ]
    return np.concatenate(chosen_rows).astype(np.intp)


def sample_evenly(wells: pd.DataFrame, among: Mask, n: int, *axes: object) -> Mask:
    """Choose ``n`` of the wells in ``among``, (n_wells,), as evenly over plates as possible; all if there are fewer.

    The draw is derived from ``axes`` and the names of plates and wells; it does not depend on the order of rows.
    """
    if among.sum() <= n:
        return among
    rows = np.flatnonzero(among)
    table = wells.iloc[rows]
    rank = np.empty(len(rows), dtype=np.int64)
    plates = table["plate"].to_numpy()
    for plate in pd.unique(plates):
        places = np.flatnonzero(plates == plate)
        order = generator(*axes, "evenly", plate).permutation(sorted_by_name(places, table))
        rank[order] = np.arange(len(places))
    order = np.lexsort((plates.astype(str), rank))
    mask = np.zeros(len(wells), dtype=bool)
    mask[rows[order[:n]]] = True
    return mask
