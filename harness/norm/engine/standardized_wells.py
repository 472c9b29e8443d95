"""Standardized well means and their coordinates, streamed plate by plate, for SVA, Harmony and calibration transfer.

Wells, not their sites, so that sites need no names of their own and the sites of a well stay together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import pandas as pd

from harness.core.arrays import Doubles, Floats
from harness.core.exceptions import InputError
from harness.core.profiles import Plate
from harness.numerics.moments import Moments, moments

MIN_WELLS = 3
_ROWS = 512  # of one block: 16 MB in float64 at 4,096 features


@dataclass(frozen=True)
class Scale:
    """Mean and sd (divisor n) of well means, (G,); a feature without variance has sd 0 and takes no part."""

    mean: Doubles
    sd: Doubles

    def apply(self, X: Floats | Doubles) -> Doubles:
        """Return (X - mean) / sd, (n, G) float64; 0 for features without variance."""
        Z: Doubles = X - self.mean
        Z *= np.divide(1.0, self.sd, out=np.zeros_like(self.sd), where=self.sd > 0)
        return Z

    def scores(self, X: Floats, axes: Doubles) -> Doubles:
        """Return the coordinates of standardized rows on ``axes`` (G, k): (n, k)."""
        blocks = [self.apply(X[start : start + _ROWS]) @ axes for start in range(0, len(X), _ROWS)]
        return np.concatenate(blocks)

    def subtract(self, X: Floats, change: Doubles, axes: Doubles) -> Floats:
        """Return X minus ``change`` (n, k) along ``axes`` (G, k), in the units of X: (n, G) float32."""
        back = axes.T * self.sd
        out = np.empty(X.shape, dtype=np.float32)
        for start in range(0, len(X), _ROWS):
            rows = slice(start, start + _ROWS)
            out[rows] = X[rows] - change[rows] @ back
        return out


def well_means(plate: Plate) -> tuple[list[str], Doubles]:
    """Return the sorted names of the plate's filled wells, and the mean of their rows, (n_wells, G) float64."""
    rows = np.flatnonzero(plate.filled)
    codes, names = pd.factorize(plate.wells["well"].to_numpy()[rows], sort=True)
    values = plate.X[rows[np.argsort(codes, kind="stable")]].astype(np.float64)
    if len(rows) > len(names):
        counts = np.bincount(codes)
        values = np.add.reduceat(values, np.r_[0, np.cumsum(counts)[:-1]], axis=0) / counts[:, None]
    return [str(name) for name in names], values


def scale_of(plates: Sequence[Plate], method: str) -> tuple[Scale, dict[str, list[str]]]:
    """Return the scale over all filled wells, and the names of these wells on each plate; one pass.

    Raises
    ------
    InputError : fewer than 3 filled wells, or no feature varies.
    """
    total = Moments(np.float64(0), np.zeros(1), np.zeros(1))
    wells: dict[str, list[str]] = {}
    for plate in plates:
        names, means = well_means(plate)
        if names:
            wells[plate.name] = names
            total = total.merge(moments(cast(Floats, means)))
    if total.n < MIN_WELLS:
        raise InputError(f"{method}: {int(total.n)} filled wells, at least {MIN_WELLS} are needed; check data.empty")
    if not total.sd.any():
        raise InputError(f"{method}: no feature differs between wells; check data.features")
    return Scale(total.mean, total.sd), wells
