"""Maps that destroy biology behind a proper normalization: profiles are in units of each plate's controls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from experiments.verdict_calibration.plate_rows import OneBatchInSeveral, drawn, stacked, with_control_profiles
from harness.core.arrays import Floats
from harness.core.profiles import Plate
from harness.core.scope import FitScope
from harness.core.seeding import generator
from harness.norm.base import Normalizer


class OneAxis(Normalizer):
    """Keep the axis from the mean control to the mean treated well, and nothing else (scope: train)."""

    scope = FitScope.TRAIN

    def fit(self, plates: Sequence[Plate]) -> Self:
        X, treated = stacked(plates)
        axis = X[treated].mean(axis=0) - X[~treated].mean(axis=0)
        self.axis_ = axis / np.linalg.norm(axis)
        return self

    def transform(self, plate: Plate) -> Floats:
        return np.asarray(np.outer(plate.X @ self.axis_, self.axis_), dtype=np.float32)


class FewComponents(Normalizer):
    """Keep the ``n`` principal components of all wells (scope: transductive, roles are not read)."""

    scope = FitScope.TRANSDUCTIVE

    def __init__(self, *, n: int = 3) -> None:
        self.n = n

    def fit(self, plates: Sequence[Plate]) -> Self:
        X, _ = stacked(plates)
        self.mean_ = X.mean(axis=0)
        self.axes_ = np.linalg.eigh(np.cov(X.T))[1][:, -self.n :]
        return self

    def transform(self, plate: Plate) -> Floats:
        return np.asarray((plate.X - self.mean_) @ self.axes_ @ self.axes_.T + self.mean_, dtype=np.float32)


class StrongestHidden(Normalizer):
    """Put a control well's profile in the place of the ``share`` of wells that lie farthest from controls (plate)."""

    scope = FitScope.PLATE

    def __init__(self, *, share: float = 0.3) -> None:
        self.share = share

    def transform(self, plate: Plate) -> Floats:
        length = np.linalg.norm(plate.X, axis=1)
        others = np.flatnonzero(~plate.negcon)
        strongest = others[np.argsort(-length[others])[: round(self.share * len(others))]]
        return with_control_profiles(plate, strongest)


class OneBatchFlattened(OneBatchInSeveral):
    """Put control wells' profiles in the place of all treated wells of one batch in ``every`` (scope: plate)."""

    def changed(self, plate: Plate, treated: NDArray[np.intp]) -> Floats:
        return with_control_profiles(plate, treated)


class Averaged(Normalizer):
    """Average each well with ``n`` others of its plate that are drawn at random (scope: plate)."""

    scope = FitScope.PLATE

    def __init__(self, *, n: int = 2) -> None:
        self.n = n

    def transform(self, plate: Plate) -> Floats:
        everything = np.arange(len(plate.X))
        total = plate.X.astype(np.float64)
        for number in range(self.n):
            total += plate.X[drawn(plate, everything, everything, number)]
        return np.asarray(total / np.sqrt(self.n + 1), dtype=np.float32)


class Noise(Normalizer):
    """Add independent noise of ``sd`` control sd to every well (scope: plate)."""

    scope = FitScope.PLATE

    def __init__(self, *, sd: float = 1.0) -> None:
        self.sd = sd

    def transform(self, plate: Plate) -> Floats:
        noise = [generator("noise", plate.name, w).standard_normal(plate.X.shape[1]) for w in plate.wells["well"]]
        return np.asarray(plate.X + self.sd * np.stack(noise), dtype=np.float32)


class Clipped(Normalizer):
    """Cut values off at ``limit`` control sd (scope: plate)."""

    scope = FitScope.PLATE

    def __init__(self, *, limit: float = 0.5) -> None:
        self.limit = limit

    def transform(self, plate: Plate) -> Floats:
        return np.clip(plate.X, -self.limit, self.limit)


class Tanh(Normalizer):
    """Bend values until strong ones are alike: tanh(x / ``scale``) (scope: plate)."""

    scope = FitScope.PLATE

    def __init__(self, *, scale: float = 0.3) -> None:
        self.scale = scale

    def transform(self, plate: Plate) -> Floats:
        return np.tanh(plate.X / np.float32(self.scale))
