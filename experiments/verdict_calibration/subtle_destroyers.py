"""Maps that destroy biology behind a proper normalization and leave most of what is usually looked at unchanged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from experiments.verdict_calibration.plate_rows import OneBatchInSeveral, drawn, stacked
from harness.core.arrays import Floats
from harness.core.profiles import Plate
from harness.core.scope import FitScope
from harness.core.seeding import generator
from harness.norm.base import Normalizer


class OneBatchShuffled(OneBatchInSeveral):
    """Permute the profiles of each plate's treated wells, in one batch in ``every`` (scope: plate).

    No distribution changes: not of a feature, a plate, a batch or a role.
    """

    def changed(self, plate: Plate, treated: NDArray[np.intp]) -> Floats:
        X = plate.X.copy()
        X[treated] = plate.X[generator("shuffled", plate.name).permutation(treated)]
        return X


class Archetypes(Normalizer):
    """Give each well the nearest of ``n`` cluster centres and a control well's noise (scope: transductive).

    Active stay apart from inactive wells and kinds of phenotypes from each other; compounds of a kind become alike.
    """

    scope = FitScope.TRANSDUCTIVE

    def __init__(self, *, n: int = 12) -> None:
        self.n = n

    def fit(self, plates: Sequence[Plate]) -> Self:
        X, _ = stacked(plates)
        self.centres_ = KMeans(self.n, n_init=1, max_iter=30, random_state=0).fit(X).cluster_centers_
        return self

    def transform(self, plate: Plate) -> Floats:
        square = np.square(self.centres_).sum(axis=1)
        centre = self.centres_[np.argmin(square - 2 * plate.X @ self.centres_.T, axis=1)]
        source = np.arange(len(plate.X))
        others = np.flatnonzero(~plate.negcon)
        source[others] = drawn(plate, others, np.flatnonzero(plate.negcon))
        return np.asarray(centre + (plate.X - centre)[source], dtype=np.float32)


class QuietAxesDropped(Normalizer):
    """Keep the principal components that hold ``share`` of the variance of controls (scope: train).

    What controls hardly vary in is where a small effect is seen best.
    """

    scope = FitScope.TRAIN

    def __init__(self, *, share: float = 0.8) -> None:
        self.share = share

    def fit(self, plates: Sequence[Plate]) -> Self:
        X, treated = stacked(plates)
        values, vectors = np.linalg.eigh(np.cov(X[~treated].T))
        n = int(np.searchsorted(np.cumsum(values[::-1]) / values.sum(), self.share)) + 1
        self.axes_ = vectors[:, ::-1][:, :n]
        return self

    def transform(self, plate: Plate) -> Floats:
        return np.asarray(plate.X @ self.axes_ @ self.axes_.T, dtype=np.float32)


class SmallValuesZeroed(Normalizer):
    """Shrink each value by ``limit`` control sd towards 0, as denoising does: many weak changes go (scope: plate)."""

    scope = FitScope.PLATE

    def __init__(self, *, limit: float = 2.0) -> None:
        self.limit = limit

    def transform(self, plate: Plate) -> Floats:
        return np.asarray(np.sign(plate.X) * np.maximum(np.abs(plate.X) - self.limit, 0), dtype=np.float32)
