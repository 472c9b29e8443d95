"""Read the raw wells that the leak guard checks: some plates of some batches, all features or a few of them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.core.arrays import Floats
from harness.core.profiles import Profiles
from harness.data.wells.aggregation import sites_to_wells, well_codes, well_table

MOST_BATCHES = 12
MOST_PLATES = 4  # of a batch
SCREENED_BATCHES, SCREENED_PLATES = 2, 2  # of which every feature is read; a leak shows on these


@dataclass(frozen=True)
class Wells:
    """Raw wells: ``X`` (n_wells, n_features) float32, medians over the sites of a well; ``table``, n_wells rows.

    Wells stand in the order in which the file has them, plate after plate.
    """

    X: Floats
    table: pd.DataFrame

    def plates(self) -> list[NDArray[np.intp]]:
        """Return the rows of each plate."""
        return _rows_by(self.table["plate"])

    def batches(self) -> list[NDArray[np.intp]]:
        """Return the rows of each batch."""
        return _rows_by(self.table["batch"])


def plates_of(wells: pd.DataFrame, n_batches: int, n_plates: int) -> list[str]:
    """Return up to ``n_plates`` plates of each of up to ``n_batches`` batches, spread evenly over the screen."""
    plates = wells.drop_duplicates("plate")[["plate", "batch"]].astype(str)
    batches = _spread(list(plates["batch"].unique()), n_batches)
    return [
        plate for batch in batches for plate in _spread(list(plates.loc[plates["batch"] == batch, "plate"]), n_plates)
    ]


def read_wells(profiles: Profiles, plates: Collection[str], features: NDArray[np.intp] | None = None) -> Wells:
    """Return the wells of ``plates``; ``features``: numbers of the columns to read, None for all."""
    parts, tables = [], []
    for plate in profiles.where(profiles.wells["plate"].astype(str).isin(plates).to_numpy()):
        X = plate.X if features is None else plate.X[:, features]
        parts.append(sites_to_wells(np.asarray(X, dtype=np.float32), well_codes(plate.wells), "median"))
        tables.append(well_table(plate.wells))
    return Wells(np.concatenate(parts), pd.concat(tables, ignore_index=True))


def _spread(names: list[str], most: int) -> list[str]:
    """Return at most ``most`` of ``names``, first and last among them, in order."""
    if len(names) <= most:
        return names
    return [names[i] for i in np.unique(np.linspace(0, len(names) - 1, most).round().astype(int))]


def _rows_by(labels: pd.Series[str]) -> list[NDArray[np.intp]]:
    codes = pd.factorize(labels)[0]
    return [np.flatnonzero(codes == code) for code in range(codes.max(initial=-1) + 1)]
