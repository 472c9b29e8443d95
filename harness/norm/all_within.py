"""Z-score each plate by all of its wells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

import numpy as np
import pandas as pd

from harness.core.arrays import Floats
from harness.core.profiles import Plate
from harness.core.scope import FitScope
from harness.norm.base import Normalizer
from harness.numerics.constant_features import CENTRED, LEFT_ALONE, centres
from harness.numerics.moments import moments
from harness.numerics.standardize import fallback_report, location_scale, standardize


class AllWithin(Normalizer):
    """(x - mean of the plate's wells) / their sd (scope: plate; divisor n; empty wells are not read).

    Parameters
    ----------
    on_constant : what becomes of a feature that is constant on the whole plate: ``centre`` makes it 0, ``leave`` leaves
        it alone. Either way it is reported.

    Raises
    ------
    InputError : an unknown ``on_constant``.

    Notes
    -----
    Needs no controls: every well is its own reference in the same way, so that no class is in-sample. Assumes that
    most wells of a plate do nothing. Over-normalizes where they do not: at 90% active wells the plate mean *is* the
    phenotype (Caicedo et al. 2017, Nat. Methods 14, warn of it).
    """

    scope = FitScope.PLATE
    is_monotone = True

    def __init__(self, *, on_constant: Literal["centre", "leave"] = "centre") -> None:
        self.on_constant = on_constant

    def fit(self, plates: Sequence[Plate]) -> Self:
        (plate,) = plates
        centre = centres(type(self).__name__, self.on_constant)
        everything = moments(plate.X, rows=plate.filled)
        constant = everything.sd == 0
        self.mean_, self.sd_, _ = location_scale(everything, everything, constant if centre else None)
        self.fallback_ = np.where(constant, CENTRED if centre else LEFT_ALONE, 0).astype(np.int8)
        self.plate_ = plate.name
        return self

    def transform(self, plate: Plate) -> Floats:
        out = np.empty(plate.X.shape, dtype=np.float32)
        standardize(plate.X, self.mean_, self.sd_, out)
        return out

    def report(self) -> pd.DataFrame:
        return fallback_report(self.plate_, self.fallback_)
