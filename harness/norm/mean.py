"""Subtract the mean of the batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np

from harness.norm.base import Normalizer
from harness.norm.moments import moments
from harness.types import FitScope, Floats, Plate


class Mean(Normalizer):
    """x - mean of all wells of the batch (scope: batch; empty wells are not read).

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
        return self

    def transform(self, plate: Plate) -> Floats:
        high = self.mean_.astype(np.float32)
        return np.asarray(plate.X - high - (self.mean_ - high).astype(np.float32))
