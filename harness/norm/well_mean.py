"""Subtract the mean of the same well over plates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np

from harness.core.arrays import Doubles, Floats
from harness.core.profiles import Plate
from harness.core.scope import FitScope
from harness.norm.base import Normalizer


class WellMean(Normalizer):
    """x - mean over plates of the profiles at the same well position (scope: transductive; empty wells are not read).

    A position that no plate fills keeps its profile.

    Notes
    -----
    Meant against gradients and edges that all plates share. Assumes that compounds change places between plates. On a
    fixed layout the mean of a position *is* the compound there, and is removed: it over-normalizes. The position
    effect of screens: Malo et al. 2006, Nat. Biotechnol. 24.
    """

    scope = FitScope.TRANSDUCTIVE

    def fit(self, plates: Sequence[Plate]) -> Self:
        total: dict[str, Doubles] = {}
        count: dict[str, int] = {}
        for plate in plates:
            filled = plate.wells[plate.filled].index.to_numpy()
            for well, rows in plate.wells.loc[filled].groupby("well", sort=False).indices.items():
                values = plate.X[filled[rows]].sum(axis=0, dtype=np.float64)
                total[str(well)] = total.get(str(well), 0.0) + values
                count[str(well)] = count.get(str(well), 0) + len(rows)
        self.mean_ = {well: total[well] / count[well] for well in total}
        return self

    def transform(self, plate: Plate) -> Floats:
        nothing = np.zeros(plate.X.shape[1])
        mean = np.stack([self.mean_.get(well, nothing) for well in plate.wells["well"]])
        return np.asarray(plate.X - mean, dtype=np.float32)
