"""Covariances of control wells by fold, streamed plate by plate.

A covariance of all folds but one is a sum over the other folds, never the total minus one fold: a control far off scale
must not cost the others their precision. While there are fewer rows than features the rows themselves are kept, and
decomposed by their inner products (n x n instead of G x G).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from harness.core.arrays import Doubles, Floats, Mask
from harness.core.profiles import Plate
from harness.numerics.eigen import Spectrum, spectrum, spectrum_of_rows
from harness.numerics.moments import Moments, moments_by_well

Codes = Callable[[Plate], NDArray[np.int64]]


def union(moments: Moments, groups: Sequence[int]) -> Moments:
    """Return the moments (G,) of some of the groups of ``moments`` (k, G) together."""
    return reduce(Moments.merge, (moments[g] for g in groups))


def pooled(plates: Iterable[Plate], codes: Codes, k: int) -> Moments:
    """Return the moments (k, G) of the rows that ``codes`` assigns to groups 0 to k - 1 (-1: none); one pass."""
    total: Moments | None = None
    for plate in plates:
        group = codes(plate)
        part = moments_by_well(plate.X[group >= 0], group[group >= 0], k)
        total = part if total is None else total.merge(part)
    assert total is not None
    return total


@dataclass(frozen=True)
class Groups:
    """Rows of k groups, centred by group and divided by ``scale``: ``rows`` if they are few, else ``products``."""

    moments: Moments
    scale: Doubles
    rows: list[Doubles]
    products: Doubles | None

    def spectrum(self, groups: Sequence[int], scale: Doubles, through: Floats | None = None) -> Spectrum:
        """Return the covariance of the rows of ``groups``, divided by ``scale`` (G,), then ``@ through``."""
        whole = union(self.moments, groups)
        steps = (self.moments.mean[list(groups)] - whole.mean) / self.scale
        unit = self.scale / scale
        if self.products is None:
            Z = np.concatenate([self.rows[g] + step for g, step in zip(groups, steps, strict=True)])
            Z *= unit
            return spectrum_of_rows(Z if through is None else Z @ through)
        C = np.zeros(self.products.shape[1:])
        for g, step in zip(groups, steps, strict=True):
            C += self.products[g]
            C += np.outer(self.moments.n[g] * step, step)
        C *= unit[:, None] / (whole.n[0] - 1)
        C *= unit
        return spectrum(C if through is None else through.T @ C @ through)

    def norms(self, scale: Doubles) -> tuple[float, float]:
        """Return trace and squared Frobenius norm of the covariance of all groups, divided by ``scale`` (G,)."""
        groups = range(len(self.moments.mean))
        whole = union(self.moments, groups)
        steps = (self.moments.mean - whole.mean) / scale
        unit = self.scale / scale
        if self.products is None:
            Z = np.concatenate([self.rows[g] * unit + step for g, step in zip(groups, steps, strict=True)])
            C = Z @ Z.T / whole.n[0]
        else:
            C = self.products.sum(axis=0) * unit[:, None] * unit + steps.T @ (self.moments.n * steps)
            C /= whole.n[0]
        return float(np.trace(C)), float((C**2).sum())

    def variances(self, group: int, center: Doubles, axes: Doubles, scale: Doubles) -> tuple[Doubles, float]:
        """Return the mean square of the rows of ``group`` about ``center`` along ``axes`` (r, G), and in total."""
        n, unit = float(self.moments.n[group][0]), self.scale / scale
        step = (self.moments.mean[group] - center) / scale
        along, scaled = (axes @ step) ** 2, axes * unit
        if self.products is None:
            Z = self.rows[group]
            return along + ((Z @ scaled.T) ** 2).sum(axis=0) / n, float(((Z * unit) ** 2).sum() / n + step @ step)
        P = self.products[group]
        inner = np.einsum("ij,ij->i", scaled @ P, scaled) / n
        return along + inner, float((np.diag(P) * unit**2).sum() / n + step @ step)


def gather(plates: Iterable[Plate], codes: Codes, moments: Moments, scale: Doubles, active: Mask) -> Groups:
    """Collect the ``active`` features in a second pass: ``moments`` (k, G) of :func:`pooled`, ``scale`` of active."""
    of_active = Moments(moments.n, moments.mean[:, active], moments.M2[:, active])
    k, size = of_active.mean.shape
    few = of_active.n.sum() <= size
    rows: list[list[Doubles]] = [[np.empty((0, size))] for _ in range(k)]
    products = None if few else np.zeros((k, size, size))
    for plate in plates:
        group = codes(plate)
        for g in np.unique(group[group >= 0]):
            Z = plate.X[group == g][:, active].astype(np.float64)
            Z -= of_active.mean[g]
            Z /= scale
            if products is None:
                rows[g].append(Z)
            else:
                products[g] += Z.T @ Z
    return Groups(of_active, scale, [np.concatenate(r) for r in rows] if few else [], products)
