"""Negative control of the evaluation: profiles without any information."""

from __future__ import annotations

import numpy as np

from harness.core.arrays import Floats
from harness.core.profiles import Plate
from harness.core.scope import FitScope
from harness.core.seeding import generator
from harness.norm.base import Normalizer
from harness.settings.annotated_types import Seed


class Noise(Normalizer):
    """Replaces every feature by standard Gaussian noise (scope: train; nothing is read).

    Every task must score chance on it, and every batch-effect metric shows its value for no signal at all. The draw of
    a row is seeded by plate, well and site.
    """

    scope = FitScope.TRAIN

    def __init__(self, *, seed: Seed = 0) -> None:
        self.seed = seed

    def transform(self, plate: Plate) -> Floats:
        sites = plate.wells["site"] if "site" in plate.wells else np.zeros(len(plate.wells), dtype=int)
        out = np.empty(plate.X.shape, dtype=np.float32)
        for row, well, site in zip(out, plate.wells["well"], sites, strict=True):
            generator(self.seed, "noise", plate.name, well, site).standard_normal(dtype=np.float32, out=row)
        return out
