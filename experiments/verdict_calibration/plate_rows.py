"""Shared by the maps of the calibration: rows of several plates, wells drawn by name, maps of one batch in several."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.core.arrays import Doubles, Floats
from harness.core.profiles import Plate
from harness.core.scope import FitScope
from harness.core.seeding import derive
from harness.norm.base import Normalizer


def stacked(plates: Sequence[Plate]) -> tuple[Doubles, NDArray[np.bool_]]:
    """Return all rows, and which of them are no controls."""
    parts = [(plate.X, ~plate.negcon) for plate in plates]
    return np.concatenate([x for x, _ in parts]).astype(np.float64), np.concatenate([t for _, t in parts])


def drawn(plate: Plate, rows: NDArray[np.intp], pool: NDArray[np.intp], number: int = 0) -> NDArray[np.intp]:
    """Return one row of ``pool`` for each of ``rows``, by a hash of plate and well, whatever the order of rows."""
    ordered = pool[np.argsort(plate.wells["well"].to_numpy()[pool])]
    wells = plate.wells["well"].to_numpy()[rows]
    return ordered[[derive("drawn", plate.name, well, number) % len(ordered) for well in wells]]


def with_control_profiles(plate: Plate, rows: NDArray[np.intp]) -> Floats:
    """Return the plate with the profile of a control, drawn by name, in the place of each of ``rows``."""
    X = plate.X.copy()
    X[rows] = plate.X[drawn(plate, rows, np.flatnonzero(plate.negcon))]
    return X


class OneBatchInSeveral(Normalizer):
    """Base of maps that change the treated wells of one batch in ``every`` and leave the other batches (scope: plate).

    Batches are numbered at the end of their names.
    """

    scope = FitScope.PLATE

    def __init__(self, *, every: int = 5) -> None:
        self.every = every

    def transform(self, plate: Plate) -> Floats:
        number = re.search(r"(\d+)$", str(plate.wells["batch"].iloc[0]))
        if number is None or int(number[1]) % self.every != 1:
            return plate.X
        return self.changed(plate, np.flatnonzero(~plate.negcon))

    def changed(self, plate: Plate, treated: NDArray[np.intp]) -> Floats:
        """Return the profiles of a plate of that batch, with the rows ``treated`` changed."""
        raise NotImplementedError
