"""A sample of wells that takes as many from every plate."""

from __future__ import annotations

import numpy as np
import pandas as pd

from harness.core.arrays import Mask
from harness.core.seeding import generator


def sample_evenly(wells: pd.DataFrame, among: Mask, n: int, *axes: object) -> Mask:
    """Choose ``n`` of the wells in ``among``, (n_wells,), as evenly over plates as there are wells; all if fewer.

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
        by_name = places[np.argsort(table["well"].to_numpy()[places], kind="stable")]
        rank[generator(*axes, "evenly", plate).permutation(by_name)] = np.arange(len(places))
    order = np.lexsort((plates.astype(str), rank))
    mask = np.zeros(len(wells), dtype=bool)
    mask[rows[order[:n]]] = True
    return mask
