"""Batches as clusters of plates whose control profiles correlate, wherever they stand in the order."""

from __future__ import annotations

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform
from sklearn.metrics import silhouette_score

from harness.batch.inference.changepoints import Labels
from harness.core.arrays import Doubles

LEAST_SILHOUETTE = 0.25  # below it "no substantial structure has been found" (Kaufman & Rousseeuw 1990, table 4)
MOST_CLUSTERS = 40  # tried


def clusters(X: Doubles, min_size: int) -> Labels:
    """Return cluster number 0, 1, ... of each plate, (n,), in order of appearance; X (n, q).

    Average linkage on 1 - Pearson correlation between plates, cut where the mean silhouette is highest. Clusters of
    fewer than ``min_size`` plates are dissolved: their plates join the cluster that they correlate with most. One
    cluster where no cut reaches :data:`LEAST_SILHOUETTE`.
    """
    distance = 1 - correlation(X)
    np.fill_diagonal(distance, 0.0)
    tree = linkage(squareform(distance, checks=False), "average")
    best, chosen = LEAST_SILHOUETTE, np.zeros(len(X), dtype=np.int64)
    for n_clusters in range(2, min(len(X) - 1, MOST_CLUSTERS * min_size) + 1):
        cut = _dissolved(fcluster(tree, n_clusters, "maxclust"), distance, min_size)
        if not 1 < len(np.unique(cut)) <= MOST_CLUSTERS:
            continue
        silhouette = silhouette_score(distance, cut, metric="precomputed")
        if silhouette > best:
            best, chosen = silhouette, cut
    return chosen


def correlation(X: Doubles) -> Doubles:
    """Return correlation between plates, (n, n), over all scaled features: the cosine of X (n, q) centred over plates.

    X are components, coordinates along orthogonal axes, so that their cosine is that of the scaled profiles. Plates
    at the very mean have no direction, and correlation 0 with every other.
    """
    centred = X - X.mean(axis=0)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    unit = np.divide(centred, length, out=np.zeros_like(centred), where=length > 0)
    return np.asarray(np.clip(unit @ unit.T, -1.0, 1.0))


def _dissolved(cut: Labels, distance: Doubles, min_size: int) -> Labels:
    """Return ``cut`` without small clusters, numbered by first appearance; all one cluster where only small ones
    exist.
    """
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
