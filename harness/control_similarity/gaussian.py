"""A Gaussian fitted robustly to points: the bulk of the control wells on a map."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.covariance import MinCovDet

from harness.core.arrays import Doubles


@dataclass(frozen=True)
class Gaussian:
    """``mean`` (d,) and ``covariance`` (d, d) of a Gaussian."""

    mean: Doubles
    covariance: Doubles

    def log_density(self, X: Doubles) -> Doubles:
        """Return the natural logarithm of the density at each row of X (n, d), (n,), per unit of volume of X."""
        root = np.linalg.cholesky(self.covariance)
        z = np.linalg.solve(root, (X - self.mean).T)
        constant = len(self.mean) * np.log(2 * np.pi) / 2 + np.log(np.diag(root)).sum()
        return np.asarray(-(z**2).sum(axis=0) / 2 - constant, dtype=np.float64)

    def ellipse(self, sd: float, n: int = 181) -> Doubles:
        """Return points (n, 2) at the Mahalanobis distance ``sd``, in two dimensions: 1 - exp(-sd^2/2) of the mass."""
        angle = np.linspace(0, 2 * np.pi, n)
        circle = sd * np.stack([np.cos(angle), np.sin(angle)])
        return np.asarray(self.mean + (np.linalg.cholesky(self.covariance) @ circle).T, dtype=np.float64)


def robust_gaussian(X: Doubles, *, seed: int) -> Gaussian:
    """Fit a Gaussian to X (n, d) by the reweighted minimum covariance determinant.

    Rousseeuw & Van Driessen 1999, Technometrics 41:212. Up to half of the points may lie elsewhere; if controls form
    several clusters of about the same size, the fit therefore describes the densest of them.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Determinant has increased", RuntimeWarning)  # by rounding; it stops there
        fitted = MinCovDet(random_state=seed).fit(X)
    return Gaussian(fitted.location_, fitted.covariance_)
