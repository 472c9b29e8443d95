"""A normalization as it is often written, which leaves a fingerprint of the batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np

from harness.core.arrays import Floats
from harness.core.profiles import Plate
from harness.core.scope import FitScope
from harness.norm.base import Normalizer


class MeanInFloat32(Normalizer):
    """x - mean of the batch, all in float32 (scope: batch).

    What is constant in a batch becomes the rounding of its mean instead of 0, a number of the batch's own.
    """

    scope = FitScope.BATCH

    def fit(self, plates: Sequence[Plate]) -> Self:
        self.mean_ = np.concatenate([plate.X for plate in plates]).mean(axis=0, dtype=np.float32)
        return self

    def transform(self, plate: Plate) -> Floats:
        return plate.X - self.mean_
