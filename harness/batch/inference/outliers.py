"""Plates whose controls look unlike those of any plate, or unlike their batch."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import pdist, squareform

from harness.batch.inference.changepoints import Labels
from harness.batch.inference.control_profiles import MAD_TO_SD
from harness.core.arrays import Doubles, Mask

CUTOFF = 5.0  # robust sd above the median distance
FLOOR = 0.05  # of the median: in many dimensions distances are nearly equal, and a smaller spread is no yardstick


def robust_z(distance: Doubles) -> Doubles:
    """Return how far each distance (n,) lies above the median of all, in robust sd (1.4826 MAD, at least FLOOR x
    median).
    """
    middle = np.median(distance)
    spread = max(MAD_TO_SD * float(np.median(np.abs(distance - middle))), FLOOR * float(middle))
    return np.asarray((distance - middle) / spread if spread > 0 else np.zeros_like(distance))


def isolated(X: Doubles, *, cutoff: float = CUTOFF) -> Mask:
    """Return plates far from even their nearest other plate: X (n, q), mask (n,).

    They are set aside while batches are looked for, so that no batch is made of one or bent towards it.
    """
    apart = squareform(pdist(X))
    np.fill_diagonal(apart, np.inf)
    return np.asarray(robust_z(apart.min(axis=1)) > cutoff)


def adopt(X: Doubles, labels: Labels, aside: Mask) -> Labels:
    """Return ``labels`` (n,) with plates set ``aside`` given the batch of the nearest other plates in the order.

    Where the plates before and after lie in two batches, the one whose centre (X, coordinate-wise median) is nearer.
    """
    core = np.flatnonzero(~aside)
    full = labels.copy()
    for i in np.flatnonzero(aside):
        beside = {int(labels[j]) for j in (*core[core < i][-1:], *core[core > i][:1])}
        far = {b: float(np.linalg.norm(X[i] - np.median(X[core[labels[core] == b]], axis=0))) for b in beside}
        full[i] = min(far, key=far.__getitem__)
    return full


def from_batch(X: Doubles, labels: Labels, aside: Mask) -> Doubles:
    """Return robust z of the distance of each plate to its batch, (n,): the median of the batch's other plates, X (n,
    q).

    A median of few plates is itself uncertain: distances are divided by sqrt(1 + 1/m) for m other plates.
    """
    distance = np.empty(len(X))
    for i in range(len(X)):
        others = (labels == labels[i]) & ~aside
        others[i] = False
        m = int(others.sum())
        distance[i] = np.linalg.norm(X[i] - np.median(X[others], axis=0)) / np.sqrt(1 + 1 / m)
    return robust_z(distance)
