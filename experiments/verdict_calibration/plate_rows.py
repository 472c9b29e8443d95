"""Share what maps behind a normalization need: rows of several plates, wells drawn by name, one batch of several."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.core.arrays import Doubles
from harness.core.profiles import Plate
from harness.core.seeding import derive


def stacked(plates: Sequence[Plate]) -> tuple[Doubles, NDArray[np.bool_]]:
    """Return all rows, and which of them are no controls."""
    parts = [(plate.X, ~plate.negcon) for plate in plates]
    return np.concatenate([x for x, _ in parts]).astype(np.float64), np.concatenate([t for _, t in parts])


def drawn(plate: Plate, rows: NDArray[np.intp], pool: NDArray[np.intp], number: int = 0) -> NDArray[np.intp]:
    """Return one row of ``pool`` for each of ``rows``, by a hash of plate and well: the order of rows is no matter."""
    ordered = pool[np.argsort(plate.wells["well"].to_numpy()[pool])]
    wells = plate.wells["well"].to_numpy()[rows]
    return ordered[[derive("drawn", plate.name, well, number) % len(ordered) for well in wells]]


def is_picked(plate: Plate, every: int) -> bool:
    """Return whether the plate's batch is the one in ``every``: batches are numbered at the end of their names."""
    number = re.search(r"(\d+)$", str(plate.wells["batch"].iloc[0]))
    return number is not None and int(number[1]) % every == 1
