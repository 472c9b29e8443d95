"""Exact nearest neighbours of wells."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from harness.core.arrays import Doubles, Floats


def nearest(Z: Floats, k: int) -> tuple[Doubles, NDArray[np.intp]]:
    """Return Euclidean distances and row numbers of the k nearest other rows, (n, k) each, nearest first.

    Exact, in float64, and in blocks: never an (n, n) matrix. Z : (n, n_components), k < n.
    """
    distances, indices = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(Z.astype(np.float64)).kneighbors()
    return distances, indices
