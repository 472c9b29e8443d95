"""Neighbour model of the null tests: is a well closer to controls or to treated wells of the training batches?"""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin

from harness.core.arrays import Doubles, Floats

_TINY = 1e-12


class NearestWells(ClassifierMixin, BaseEstimator):
    """Compare the distances to the k-th nearest well of either class, on principal components of the training wells.

    The log ratio of two such distances is, but for a factor, the estimate of the log ratio of the classes' densities
    (Loftsgaarden & Quesenberry 1965, Ann. Math. Stat. 36). It sees wells that are contracted or spread in any shape, of
    which a linear model sees nothing.

    Parameters
    ----------
    k : the neighbour whose distance counts, from 1. n_components : principal components of features in units of their
        sd.
    """

    def __init__(self, *, k: int = 5, n_components: int = 50) -> None:
        self.k = k
        self.n_components = n_components

    def fit(self, X: Floats, y: NDArray[np.int8]) -> Self:
        """Keep the training wells of both classes on their principal components."""
        self.classes_ = np.array([0, 1])
        self.mean_ = X.mean(axis=0, dtype=np.float64).astype(np.float32)
        sd = X.std(axis=0, dtype=np.float64)
        self.scale_ = np.where(sd > 0, sd, np.inf).astype(np.float32)
        Z = (X - self.mean_) / self.scale_
        self.axes_ = _leading_axes(Z, self.n_components)
        Z = Z @ self.axes_
        self.sides_ = [Z[y == 0], Z[y == 1]]
        return self

    def predict_proba(self, X: Floats) -> Doubles:
        """Return probabilities (n, 2), meant for ranking only: the second column rises with the score."""
        Z = ((X - self.mean_) / self.scale_) @ self.axes_
        control, treated = (_distance(Z, side, self.k) for side in self.sides_)
        positive = expit(np.log(control) - np.log(treated))
        return np.column_stack([1 - positive, positive])


def _leading_axes(Z: Floats, n: int) -> Floats:
    """Return the eigenvectors of the features' products with the n largest eigenvalues, (n_features, <= n)."""
    if Z.shape[1] <= n:
        return np.eye(Z.shape[1], dtype=np.float32)
    if Z.shape[1] <= len(Z):
        return np.ascontiguousarray(np.linalg.eigh(Z.T @ Z)[1][:, -n:])
    values, vectors = np.linalg.eigh(Z @ Z.T)
    n = min(n, int((values > values[-1] * len(Z) * np.finfo(np.float32).eps).sum()))
    return np.asarray(Z.T @ vectors[:, -n:] / np.sqrt(values[-n:]), dtype=np.float32)


def _distance(Z: Floats, side: Floats, k: int) -> Doubles:
    """Return the squared distance from each row of ``Z`` to its k-th nearest row of ``side``, (n,)."""
    squares = np.square(Z).sum(axis=1)[:, None] + np.square(side).sum(axis=1) - 2 * (Z @ side.T)
    k = min(k, len(side)) - 1
    return np.maximum(np.partition(squares, k, axis=1)[:, k].astype(np.float64), _TINY)
