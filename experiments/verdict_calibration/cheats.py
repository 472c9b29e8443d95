"""Maps that manufacture signal behind a proper normalization: they move wells by role, compound or position."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np

from harness.core.arrays import Floats
from harness.core.profiles import Plate
from harness.core.scope import FitScope
from harness.core.seeding import generator
from harness.norm.base import Normalizer


class ByCompound(Normalizer):
    """Move wells whose compound is not the controls' (scope: plate; declares the column as a covariate).

    Parameters
    ----------
    size : of the step in each feature, control sd. apart : each compound in a direction of its own, so that its
        replicates agree; else all in one.
    """

    scope = FitScope.PLATE

    def __init__(self, *, size: float = 1.0, apart: bool = False, covariates: Sequence[str] = ("compound",)) -> None:
        self.size = size
        self.apart = apart
        self.covariates = covariates

    def transform(self, plate: Plate) -> Floats:
        names = [name if name and name != "DMSO" else None for name in plate.wells["compound"].astype(str)]
        p = plate.X.shape[1]
        steps = {n: generator("step", n if self.apart else "all").standard_normal(p) for n in set(names) if n}
        nothing = np.zeros(p)
        step = np.stack([steps.get(name, nothing) if name else nothing for name in names])
        return np.asarray(plate.X + self.size * step, dtype=np.float32)


class ByRole(Normalizer):
    """Move all wells but controls (scope: plate)."""

    scope = FitScope.PLATE

    def __init__(self, *, size: float = 1.0) -> None:
        self.size = size

    def transform(self, plate: Plate) -> Floats:
        step = self.size * generator("role").standard_normal(plate.X.shape[1])
        return np.asarray(plate.X + (~plate.negcon)[:, None] * step, dtype=np.float32)


class ByColumn(Normalizer):
    """Move all wells but those of the two outer columns, in which this layout has its controls (scope: plate)."""

    scope = FitScope.PLATE

    def __init__(self, *, size: float = 1.0) -> None:
        self.size = size

    def transform(self, plate: Plate) -> Floats:
        column = plate.wells["column"].to_numpy()
        step = self.size * generator("column").standard_normal(plate.X.shape[1])
        inner = (column > 1) & (column < 12)
        return np.asarray(plate.X + inner[:, None] * step, dtype=np.float32)


class ByUsualPlace(Normalizer):
    """Move each well by how seldom its position holds a control on the screen's plates (scope: transductive)."""

    scope = FitScope.TRANSDUCTIVE

    def __init__(self, *, size: float = 1.0) -> None:
        self.size = size

    def fit(self, plates: Sequence[Plate]) -> Self:
        tables = [dict(zip(plate.wells["well"], plate.negcon, strict=True)) for plate in plates]
        wells = {well for table in tables for well in table}
        self.share_ = {well: float(np.mean([table.get(well, False) for table in tables])) for well in wells}
        return self

    def transform(self, plate: Plate) -> Floats:
        step = self.size * generator("place").standard_normal(plate.X.shape[1])
        seldom = np.array([1 - self.share_.get(well, 0.0) for well in plate.wells["well"]])
        return np.asarray(plate.X + seldom[:, None] * step, dtype=np.float32)
