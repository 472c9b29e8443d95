"""Positions on a map of wells that were not embedded, from their embedded neighbours."""

from __future__ import annotations

import numpy as np
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from harness.core.arrays import Doubles, Floats

_BLOCK = 20_000  # rows at a time


def project_points(X: Floats, at: Doubles, others: Floats, *, seed: int, n_neighbors: int = 5) -> Doubles:
    """Return coordinates of ``others`` (m, G) on a map of X (n, G) at ``at`` (n, 2): (m, 2).

    Each position is the mean of its ``n_neighbors`` nearest rows of X, weighted by inverse distance, in the space that
    :func:`harness.figure.umap.embed` sees: features standardized over X, at most 50 principal components. This is where
    UMAP's own transform begins (McInnes 2018, arXiv 1802.03426); it does not push points apart afterwards.
    """
    space = make_pipeline(StandardScaler(), PCA(min(50, *X.shape), random_state=seed)).fit(X.astype(np.float64))
    search = NearestNeighbors(n_neighbors=min(n_neighbors, len(X))).fit(space.transform(X))
    out = np.empty((len(others), 2))
    for start in range(0, len(others), _BLOCK):
        distance, neighbour = search.kneighbors(space.transform(others[start : start + _BLOCK]))
        weight = 1 / np.maximum(distance, 1e-9 * distance.max(initial=1.0))
        weight /= weight.sum(axis=1, keepdims=True)
        out[start : start + _BLOCK] = (weight[:, :, None] * at[neighbour]).sum(axis=1)
    return out
