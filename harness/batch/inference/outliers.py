"""Outlier plates: those whose controls are unlike those of any other plate, or of their batch."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import pdist, squareform

from harness.batch.inference.changepoints import Labels
from harness.batch.inference.control_profiles import MAD_TO_SD, ControlProfiles
from harness.core.arrays import Doubles, Mask

CUTOFF = 5.0  # robust sd above the median distance
FLOOR = 0.05  # of the median: in many dimensions distances are nearly equal, and a smaller spread is no yardstick
N_NAMED = 3  # features that a reason names


def robust_z(distance: Doubles) -> Doubles:
    """Return by how much each distance (n,) exceeds the median, in robust sd (1.4826 MAD, at least FLOOR x median)."""
    middle = np.median(distance)
    spread = max(MAD_TO_SD * float(np.median(np.abs(distance - middle))), FLOOR * float(middle))
    return np.asarray((distance - middle) / spread if spread > 0 else np.zeros_like(distance))


def isolated_plates(X: Doubles, *, cutoff: float = CUTOFF) -> Mask:
    """Return plates far from even their nearest other plate: X (n, q), mask (n,).

    They are left out while batches are inferred, so that no batch consists of one or is pulled towards it.
    """
    distances = squareform(pdist(X))
    np.fill_diagonal(distances, np.inf)
    return np.asarray(robust_z(distances.min(axis=1)) > cutoff)


def assign_isolated(X: Doubles, labels: Labels, isolated: Mask) -> Labels:
    """Return ``labels`` (n,) in which each ``isolated`` plate has the batch of the nearest other plates in the order.

    If the plates before and after lie in two batches: the one whose centre (X, coordinate-wise median) is nearer.
    """
    core = np.flatnonzero(~isolated)
    complete = labels.copy()
    for i in np.flatnonzero(isolated):
        adjacent = {int(labels[j]) for j in (*core[core < i][-1:], *core[core > i][:1])}
        distance = {b: float(np.linalg.norm(X[i] - np.median(X[core[labels[core] == b]], axis=0))) for b in adjacent}
        complete[i] = min(distance, key=distance.__getitem__)
    return complete


def distance_from_batch(X: Doubles, labels: Labels, isolated: Mask) -> Doubles:
    """Return the robust z of the distance of each plate, X (n, q), to the median of its batch's other plates, (n,).

    A median of few plates is itself uncertain: distances are divided by sqrt(1 + 1/m) for m other plates.
    """
    distance = np.empty(len(X))
    for i in range(len(X)):
        others = (labels == labels[i]) & ~isolated
        others[i] = False
        m = int(others.sum())
        distance[i] = np.linalg.norm(X[i] - np.median(X[others], axis=0)) / np.sqrt(1 + 1 / m)
    return robust_z(distance)


def outlier_reasons(controls: ControlProfiles, labels: Labels, outlier: Mask, distance: Doubles) -> list[str]:
    """Say for each outlier how far it lies from its batch and which features deviate most, in robust sd; else "".

    The sd of a feature is 1.4826 times the median absolute deviation of all plates from the median of their batch.
    """
    X, inlier = controls.scaled, ~outlier
    middle = {b: np.median(X[(labels == b) & (inlier | ~inlier[labels == b].any())], axis=0) for b in np.unique(labels)}
    deviation = X - np.array([middle[b] for b in labels])
    spread = MAD_TO_SD * np.median(np.abs(deviation[inlier]), axis=0)
    texts = []
    for i in range(len(X)):
        if not outlier[i]:
            texts.append("")
            continue
        z = np.divide(deviation[i], spread, out=np.zeros_like(spread), where=spread > 0)
        most = np.argsort(-np.abs(z), kind="stable")[:N_NAMED]
        named = ", ".join(f"{controls.features[f]} {z[f]:+.1f}" for f in most)
        texts.append(
            f"{distance[i]:.1f} robust sd further from its batch than plates usually are; most in {named} (robust sd "
            "of plates around their batch)"
        )
    return texts
