"""Maps that keep biology behind a proper normalization: profiles are in units of each plate's controls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np

from harness.core.arrays import Floats
from harness.core.profiles import Plate
from harness.core.scope import FitScope
from harness.core.seeding import generator
from harness.norm.base import Normalizer


class Rotated(Normalizer):
    """Turn profiles by a random orthogonal matrix (scope: train; nothing is fitted)."""

    def transform(self, plate: Plate) -> Floats:
        p = plate.X.shape[1]
        rotation = np.linalg.qr(generator("rotation", p).standard_normal((p, p)))[0]
        return np.asarray(plate.X @ rotation, dtype=np.float32)


class ConstantsAdded(Normalizer):
    """Add a constant of up to some thousands to each feature (scope: train; nothing is fitted)."""

    def transform(self, plate: Plate) -> Floats:
        return np.asarray(plate.X + 1000 * generator("constants").standard_normal(plate.X.shape[1]), dtype=np.float32)


class Asinh(Normalizer):
    """asinh(x): strong values are shortened (scope: train; nothing is fitted)."""

    def transform(self, plate: Plate) -> Floats:
        return np.arcsinh(plate.X)


class SignedPower(Normalizer):
    """sign(x) |x|^``power`` (scope: train; nothing is fitted)."""

    def __init__(self, *, power: float = 0.8) -> None:
        self.power = power

    def transform(self, plate: Plate) -> Floats:
        return np.asarray(np.sign(plate.X) * np.abs(plate.X) ** self.power, dtype=np.float32)


class RepeatsDropped(Normalizer):
    """Set to 0 each feature that an earlier one repeats, |r| above ``limit`` (scope: transductive, roles unread)."""

    scope = FitScope.TRANSDUCTIVE

    def __init__(self, *, limit: float = 0.95) -> None:
        self.limit = limit

    def fit(self, plates: Sequence[Plate]) -> Self:
        correlation = np.abs(np.corrcoef(np.concatenate([plate.X for plate in plates]).T))
        self.repeats_ = (np.triu(correlation, 1) > self.limit).any(axis=0)
        return self

    def transform(self, plate: Plate) -> Floats:
        return np.where(self.repeats_, np.float32(0), plate.X)


class NearlyAllComponents(Normalizer):
    """Keep the principal components that hold ``share`` of the variance of all wells (scope: transductive)."""

    scope = FitScope.TRANSDUCTIVE

    def __init__(self, *, share: float = 0.99) -> None:
        self.share = share

    def fit(self, plates: Sequence[Plate]) -> Self:
        X = np.concatenate([plate.X for plate in plates]).astype(np.float64)
        self.mean_ = X.mean(axis=0)
        values, vectors = np.linalg.eigh(np.cov(X.T))
        n = int(np.searchsorted(np.cumsum(values[::-1]) / values.sum(), self.share)) + 1
        self.axes_ = vectors[:, ::-1][:, :n]
        return self

    def transform(self, plate: Plate) -> Floats:
        return np.asarray((plate.X - self.mean_) @ self.axes_ @ self.axes_.T + self.mean_, dtype=np.float32)


class Waves(Normalizer):
    """x + a sin(2 x + b), a below 1/2: each feature by an increasing function of its own (scope: train; unfitted)."""

    def transform(self, plate: Plate) -> Floats:
        rng, p = generator("waves"), plate.X.shape[1]
        size, phase = rng.uniform(0.1, 0.4, p), rng.uniform(0, 2 * np.pi, p)
        return np.asarray(plate.X + size * np.sin(2 * plate.X + phase), dtype=np.float32)


class Rounded(Normalizer):
    """Round to quarters of a control sd (scope: train; nothing is fitted)."""

    def transform(self, plate: Plate) -> Floats:
        return np.asarray(np.round(4 * plate.X) / 4, dtype=np.float32)


class OtherUnits(Normalizer):
    """Sheared by a random well-conditioned matrix, then each feature in a unit and sign of its own (scope: train)."""

    def transform(self, plate: Plate) -> Floats:
        rng, p = generator("units"), plate.X.shape[1]
        shear = np.eye(p) + 0.5 * rng.standard_normal((p, p)) / np.sqrt(p)
        unit = rng.choice([-1, 1], p) * 10 ** rng.uniform(-3, 3, p)
        return np.asarray(plate.X @ shear * unit, dtype=np.float32)
