"""Subtract the mean of the batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
import pandas as pd

from harness.core.arrays import Floats
from harness.core.profiles import Plate
from harness.core.scope import FitScope
from harness.norm.base import Normalizer
from harness.numerics.constant_features import CENTRED
from harness.numerics.moments import moments
from harness.numerics.standardize import fallback_report


class Mean(Normalizer):
    """x - mean of all wells of the batch (scope: batch; empty wells are not read).

    A feature that is constant in the batch, as far as float32 can tell, becomes 0 to the bit, and is reported: the
    residue of a rounded difference would identify the batch. One that is constant on each plate keeps the differences
    between the plates of the batch, as every other feature does.

    Notes
    -----
    Needs no controls and works for an unseen batch. Assumes that every batch holds the same mixture of phenotypes.
    Where the share of active wells follows the batch, the batch mean carries the phenotype and takes it along: it
    over-normalizes. Kothari et al. 2014, IEEE J. Biomed. Health Inform. 18 ("mean normalization", histopathology).
    """

    scope = FitScope.BATCH

    def fit(self, plates: Sequence[Plate]) -> Self:
        first, *rest = [moments(plate.X[plate.filled]) for plate in plates]
        for part in rest:
            first = first.merge(part)
        self.mean_ = first.mean
        self.constant_ = first.sd == 0
        self.batch_ = str(plates[0].wells["batch"].iloc[0])
        return self

    def transform(self, plate: Plate) -> Floats:
        high = self.mean_.astype(np.float32)
        out = np.asarray(plate.X - high - (self.mean_ - high).astype(np.float32))
        out[:, self.constant_] = 0
        return out

    def report(self) -> pd.DataFrame:
        return fallback_report(f"batch {self.batch_}", np.where(self.constant_, CENTRED, 0).astype(np.int8))
