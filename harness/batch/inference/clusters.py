"""Clusters of plates whose control profiles correlate, wherever the plates stand in the order."""

from __future__ import annotations

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform
from sklearn.metrics import silhouette_score

from harness.batch.inference.changepoints import Labels
from harness.core.arrays import Doubles

MIN_SILHOUETTE = 0.25  # below it "no substantial structure has been found" (Kaufman & Rousseeuw 1990, table 4)
MAX_CLUSTERS = 40


def clusters(X: Doubles, min_size: int) -> Labels:
    """Return the cluster number 0, 1, ... of each plate, (n,), in order of appearance; X (n, q).

    Average linkage on 1 - Pearson correlation between plates, cut where the mean silhouette is highest. Clusters of
    fewer than ``min_size`` plates are dissolved: their plates join the cluster that they correlate with most. One
    cluster if no cut reaches :data:`MIN_SILHOUETTE`.
    """
    distance = 1 - correlation(X)
    np.fill_diagonal(distance, 0.0)
    tree = linkage(squareform(distance, checks=False), "average")
    best, labels = MIN_SILHOUETTE, np.zeros(len(X), dtype=np.int64)
    for n_clusters in range(2, min(len(X) - 1, MAX_CLUSTERS * min_size) + 1):
        cut = _dissolve_small(fcluster(tree, n_clusters, "maxclust"), distance, min_size)
        if not 1 < len(np.unique(cut)) <= MAX_CLUSTERS:
            continue
        silhouette = silhouette_score(distance, cut, metric="precomputed")
        if silhouette > best:
            best, labels = silhouette, cut
    return labels


def correlation(X: Doubles) -> Doubles:
    """Correlate plates, (n, n), over all scaled features: the cosine of X (n, q), centred over plates.

    X are components, coordinates along orthogonal axes, so that their cosine is that of the scaled profiles. Plates
    at the very mean have no direction, and correlation 0 with every other.
    """
    centred = X - X.mean(axis=0)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    unit = np.divide(centred, length, out=np.zeros_like(centred), where=length > 0)
    return np.asarray(np.clip(unit @ unit.T, -1.0, 1.0))


def _dissolve_small(cut: Labels, distance: Doubles, min_size: int) -> Labels:
    """Return ``cut`` without small clusters, numbered by first appearance; a single cluster if all are small."""
    names, counts = np.unique(cut, return_counts=True)
    large = names[counts >= min_size]
    if len(large) == 0:
        return np.zeros(len(cut), dtype=np.int64)
    mean = np.column_stack([distance[:, cut == name].mean(axis=1) for name in large])
    joined = np.where(np.isin(cut, large), cut, large[mean.argmin(axis=1)])
    return in_order(joined)


def in_order(labels: Labels) -> Labels:
    """Return the same groups, numbered 0, 1, ... by first appearance."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return first.argsort().argsort()[inverse].astype(np.int64)
