"""Mahalanobis distances for many features and few wells."""

from __future__ import annotations

import numpy as np
from sklearn.covariance import ledoit_wolf_shrinkage

from harness.types import Doubles


def shrunk_mahalanobis(X: Doubles, reference: Doubles) -> Doubles:
    """Distance from 0 of each row of ``X`` (n, G) under the Ledoit-Wolf covariance of ``reference`` (m, G), (n,).

    Ledoit & Wolf 2004 (J. Multivar. Anal. 88), means taken as 0: (1 - s) S + s tr(S)/G I. Equal to scikit-learn's
    ``LedoitWolf(assume_centered=True).mahalanobis``, which inverts a (G, G) matrix; here the eigenvectors of S come
    from the smaller of its two products, and every direction that S does not reach has variance s tr(S)/G.
    """
    m, G = reference.shape
    shrinkage = float(ledoit_wolf_shrinkage(reference, assume_centered=True))
    floor = shrinkage * np.einsum("ij,ij->", reference, reference) / m / G
    variance, axes = _principal(reference)
    projected = X @ axes
    rest = np.einsum("ij,ij->i", X, X) - np.einsum("ij,ij->i", projected, projected)
    within = np.square(projected) @ (1 / ((1 - shrinkage) * variance + floor))
    return np.asarray(np.sqrt(within + np.maximum(rest, 0) / floor))


def _principal(Z: Doubles) -> tuple[Doubles, Doubles]:
    """Eigenvalues (r,) and eigenvectors (G, r) of Z^T Z / m, for those above rounding."""
    m, G = Z.shape
    values, vectors = np.linalg.eigh((Z @ Z.T if m < G else Z.T @ Z) / m)
    kept = values > values[-1] * max(m, G) * np.finfo(np.float64).eps
    values, vectors = values[kept], vectors[:, kept]
    return values, Z.T @ vectors / np.sqrt(m * values) if m < G else vectors
