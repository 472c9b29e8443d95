"""Exchange of the metadata of wells: role, compound, dose and everything else about them at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

PLACE_AND_MEASUREMENT = ("plate", "well", "row", "column", "site", "batch", "cell_count")


def with_metadata(wells: pd.DataFrame, rows: Sequence[int], donors: Sequence[int]) -> pd.DataFrame:
    """Give ``rows`` the metadata of ``donors``: all columns except the position of a well and what was measured.

    A relabelled well then bears no other sign of what it held, and a method that reads compounds reads those of its new
    role.

    Returns
    -------
    A table of the same n rows, columns in the same order.
    """
    source: NDArray[np.intp] = np.arange(len(wells))
    source[np.asarray(rows, dtype=np.intp)] = np.asarray(donors, dtype=np.intp)
    names = [str(column) for column in wells if column not in PLACE_AND_MEASUREMENT]
    return wells.assign(**{name: wells[name].array.take(source) for name in names})
