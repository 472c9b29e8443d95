"""Mahalanobis distance from control wells in the space of their own principal components."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA

from harness.core.arrays import Doubles, Floats, Mask
from harness.core.exceptions import NotApplicable
from harness.known_effects.strength import LEAST_VARIATION
from harness.numerics.moments import moments

_ROWS = 2048  # of one block: 32 MB at 4,096 features
_PER_COMPONENT = 2  # control wells


@dataclass(frozen=True)
class ControlSpace:
    """A whitened space in which the distance of a profile from the controls is its length.

    ``read`` : (n_features,) the p features that are read. ``mean`` : (p,) of the controls. ``whiten`` : (p, k).
    """

    read: Mask
    mean: Doubles
    whiten: Doubles

    def distance(self, X: Floats) -> Doubles:
        """Return the Mahalanobis distance of each row of X (n, n_features), (n,)."""
        distances = np.empty(len(X))
        for start in range(0, len(X), _ROWS):
            rows = slice(start, start + _ROWS)
            Z = (X[rows][:, self.read] - self.mean) @ self.whiten
            distances[rows] = np.sqrt(np.einsum("ij,ij->i", Z, Z))
        return distances


def control_space(controls: Floats, *, usual: Doubles, n_components: int, seed: int) -> ControlSpace:
    """Fit the space: features in units of their sd over ``controls`` (n, n_features), principal components, whitened.

    At most ``n_components``, and no more than one for every two controls; their covariance is shrunk towards a
    multiple of the identity (Ledoit & Wolf 2004, J. Multivariate Analysis 88), which keeps the trailing components of
    few controls from ruling the distance. What lies outside of these components is not seen.

    ``usual`` (n_features,) is the sd over all wells: features that vary less than 1% of it over the controls would
    outweigh all others and are left out.

    Raises
    ------
    NotApplicable : no feature varies over the controls.
    """
    control_moments = moments(controls)
    read = (control_moments.sd > 0) & (control_moments.sd > LEAST_VARIATION * usual)
    if not read.any():
        raise NotApplicable("no feature varies over the control wells")
    Z = (controls[:, read] - control_moments.mean[read]) / control_moments.sd[read]
    k = max(1, min(n_components, len(Z) // _PER_COMPONENT, Z.shape[1]))
    pca = PCA(k, svd_solver="randomized", random_state=seed).fit(Z)
    covariance = LedoitWolf(assume_centered=True).fit(pca.transform(Z)).covariance_
    values, axes = np.linalg.eigh(covariance)
    whiten = (pca.components_.T @ axes) / np.sqrt(values) / control_moments.sd[read, None]
    return ControlSpace(read, control_moments.mean[read], whiten)
