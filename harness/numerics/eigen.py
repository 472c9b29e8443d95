"""Eigenvectors of a covariance: its leading axes, and its powers, shrinkage and truncation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from scipy.linalg import eigh
from scipy.sparse.linalg import eigsh

from harness.core.arrays import Doubles, Floats

_EPS = float(np.finfo(np.float64).eps)
_FEW = 10  # Lanczos for fewer axes than a tenth of the features: 1 s instead of 34 s for 30 of 4,096 on a busy machine


@dataclass(frozen=True)
class Spectrum:
    """A covariance: ``values`` (r,) > 0, falling, and ``axes`` (r, G) as rows; ``rest`` in every other direction."""

    values: Doubles
    axes: Doubles
    rest: float = 0.0

    @property
    def size(self) -> int:
        """Number of features."""
        return int(self.axes.shape[1])

    @property
    def trace(self) -> float:
        return float(self.values.sum() + self.rest * (self.size - len(self.values)))

    @property
    def singular(self) -> bool:
        """Whether some direction has no variance."""
        return len(self.values) < self.size and self.rest == 0

    def shrunk(self, keep: float, ridge: float) -> Spectrum:
        """Return ``keep`` x covariance + ``ridge`` x mean variance x I."""
        return Spectrum(keep * self.values, self.axes, keep * self.rest).plus(ridge * self.trace / self.size)

    def plus(self, ridge: float) -> Spectrum:
        """Return covariance + ``ridge`` x I."""
        return Spectrum(self.values + ridge, self.axes, self.rest + ridge)

    def truncated(self, k: int) -> Spectrum:
        """Return the k leading axes, with the mean variance of all the others in every other direction."""
        others = (self.trace - self.values[:k].sum()) / max(1, self.size - k)
        return Spectrum(self.values[:k], self.axes[:k], float(others))

    def power(self, exponent: float) -> Power:
        """Return the covariance to the power ``exponent``, as a map of rows."""
        with np.errstate(divide="ignore"):
            rest = float(np.float64(self.rest) ** exponent) if len(self.values) < self.size else 0.0
        gain = self.values**exponent - rest
        if 2 * len(gain) < self.size:
            return Power((self.axes.T * gain).astype(np.float32), self.axes.astype(np.float32), rest)
        return Power(self.matrix(exponent).astype(np.float32), None, 0.0)

    def matrix(self, exponent: float) -> Doubles:
        """Return the covariance to the power ``exponent``, (G, G)."""
        rest = self.rest**exponent if len(self.values) < self.size else 0.0
        whole: Doubles = (self.axes.T * (self.values**exponent - rest)) @ self.axes
        whole[np.diag_indices(self.size)] += rest
        return whole


@dataclass(frozen=True)
class Power:
    """A map of rows x to ``x left right + rest x``: ``left`` (G, r), ``right`` (r, G) or None for the identity."""

    left: Floats
    right: Floats | None
    rest: float

    def __call__(self, Z: Floats) -> Floats:
        product = Z @ self.left
        if self.right is None:
            return cast(Floats, product)
        return cast(Floats, product @ self.right + np.float32(self.rest) * Z)


def spectrum(matrix: Doubles) -> Spectrum:
    """Return the spectrum of a covariance (G, G), without directions whose variance is rounding."""
    values, vectors = np.linalg.eigh(matrix)
    positive = values > len(values) * _EPS * max(values[-1], 0.0)
    return Spectrum(values[positive][::-1].copy(), np.ascontiguousarray(vectors[:, positive][:, ::-1].T))


def spectrum_of_rows(Z: Doubles) -> Spectrum:
    """Return the spectrum of the covariance (divisor n - 1) of centred rows Z (n, G)."""
    n, size = Z.shape
    if n > size:
        return spectrum(Z.T @ Z / (n - 1))
    inner = spectrum(Z @ Z.T / (n - 1))
    axes = inner.axes @ Z
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    return Spectrum(inner.values, axes)


def leading_axes(gram: Doubles, k: int) -> Doubles:
    """Return the eigenvectors of the k largest eigenvalues of ``gram`` (G, G), as columns (G, k), largest first.

    The largest entry of each is positive, so that signs do not depend on rounding.
    """
    G = len(gram)
    if 0 < k < G // _FEW:
        values, axes = eigsh(gram, k, which="LA", v0=np.ones(G))
        axes = axes[:, values.argsort()[::-1]]
    else:
        axes = eigh(gram, subset_by_index=[G - k, G - 1], check_finite=False)[1][:, ::-1]
    largest = np.abs(axes).argmax(axis=0)
    return np.asarray(axes * np.sign(axes[largest, np.arange(k)]), dtype=np.float64)
