"""Negative control of the evaluation: the profiles of a plate, assigned to its wells at random."""

from __future__ import annotations

import numpy as np

from harness.core.arrays import Floats
from harness.core.profiles import Plate
from harness.core.scope import FitScope
from harness.core.seeding import generator
from harness.norm.base import Normalizer
from harness.settings.annotated_types import Seed


class Shuffle(Normalizer):
    """Permutes the profiles of the wells within each plate (scope: plate).

    Keeps every plate and batch effect and loses whatever a well had of its own: a task that still scores above chance
    reads the plate, not the well. All sites of a well move together; a well with more sites than its donor repeats
    the donor's.
    """

    scope = FitScope.PLATE

    def __init__(self, *, seed: Seed = 0) -> None:
        self.seed = seed

    def transform(self, plate: Plate) -> Floats:
        well = plate.wells["well"]
        names = np.sort(well.unique())
        donor = dict(zip(names, generator(self.seed, "shuffle", plate.name).permutation(names), strict=True))
        by_site = ["well", "site"] if "site" in plate.wells else ["well"]
        rows = plate.wells.sort_values(by_site, kind="stable").groupby("well", sort=False).groups
        nth = plate.wells.sort_values(by_site, kind="stable").groupby("well", sort=False).cumcount().sort_index()
        source = [rows[donor[w]][i % len(rows[donor[w]])] for w, i in zip(well, nth, strict=True)]
        return np.asarray(plate.X[np.asarray(source)])
