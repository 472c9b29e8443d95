"""Z-score each plate by all of its wells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
import pandas as pd

from harness.norm.base import Normalizer
from harness.norm.moments import moments
from harness.norm.scaling import fallback_report, location_scale, standardize
from harness.types import FitScope, Floats, Plate


class AllWithin(Normalizer):
    """(x - mean of the plate's wells) / their sd (scope: plate; divisor n; empty wells are not read).

    A feature that is constant on the whole plate is left alone and reported.

    Notes
    -----
    Needs no controls: every well is its own reference in the same way, so that no class is in-sample. Assumes that
    most wells of a plate do nothing. Over-normalizes where they do not: at 90% active wells the plate mean *is* the
    phenotype (Caicedo et al. 2017, Nat. Methods 14, warn of it).
    """

    scope = FitScope.PLATE
    increasing = True

    def fit(self, plates: Sequence[Plate]) -> Self:
        (plate,) = plates
        everything = moments(plate.X, rows=plate.filled)
        self.mean_, self.sd_, fallback = location_scale(everything, everything)
        self.fallback_ = np.where(fallback == 0, 0, 2).astype(np.int8)
        self.plate_ = plate.name
        return self

    def transform(self, plate: Plate) -> Floats:
        out = np.empty(plate.X.shape, dtype=np.float32)
        standardize(plate.X, self.mean_, self.sd_, out)
        return out

    def report(self) -> pd.DataFrame:
        return fallback_report(self.plate_, self.fallback_)
