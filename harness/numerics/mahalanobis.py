"""Mahalanobis distances for many features and few wells."""

from __future__ import annotations

import numpy as np

from harness.core.arrays import Doubles


def shrunk_mahalanobis(X: Doubles, reference: Doubles) -> Doubles:
    """Return the distance from 0 of each row of ``X`` (n, G) under the Ledoit-Wolf covariance of ``reference`` (m, G).

    Ledoit & Wolf 2004 (J. Multivar. Anal. 88), means taken as 0: (1 - s) S + s tr(S)/G I. Equal to scikit-learn's
    ``LedoitWolf(assume_centered=True).mahalanobis``, which inverts a (G, G) matrix; here everything comes from the
    smaller of the two products of ``reference``, and every direction that S does not reach has variance s tr(S)/G.
    """
    m, G = reference.shape
    product = (reference @ reference.T if m < G else reference.T @ reference) / m
    shrinkage = ledoit_wolf_shrinkage(reference, product)
    floor = shrinkage * np.trace(product) / G
    values, vectors = np.linalg.eigh(product)
    positive = values > values[-1] * max(m, G) * np.finfo(np.float64).eps
    values, vectors = values[positive], vectors[:, positive]
    axes = reference.T @ vectors / np.sqrt(m * values) if m < G else vectors
    projected = X @ axes
    rest = np.einsum("ij,ij->i", X, X) - np.einsum("ij,ij->i", projected, projected)
    within = np.square(projected) @ (1 / ((1 - shrinkage) * values + floor))
    return np.asarray(np.sqrt(within + np.maximum(rest, 0) / floor))


def ledoit_wolf_shrinkage(reference: Doubles, product: Doubles) -> float:
    """Return the weight of the identity: the variance of S over its distance from the identity, both per feature."""
    m, G = reference.shape
    squares = np.einsum("ij,ij->", product, product)  # of S, and of the other product
    distance = squares - np.trace(product) ** 2 / G
    lengths = np.einsum("ij,ij->i", reference, reference)
    variance = (np.square(lengths).sum() / m - squares) / m
    return float(min(variance, distance) / distance)
