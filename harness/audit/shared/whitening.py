"""Control-whitened space: profiles decorrelated, in units of how control wells vary within plates.

It puts every normalization on one scale.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.audit.shared.group_sums import group_means
from harness.core.arrays import Doubles, Floats, Mask
from harness.core.exceptions import NotApplicable
from harness.numerics.mahalanobis import ledoit_wolf_shrinkage

FEWEST_RESIDUALS = 3


@dataclass(frozen=True)
class Whitening:
    """A linear map of profiles to a space in which control wells vary alike, by about 1, in every direction.

    Lengths there are Mahalanobis distances, so that constants, scales and (but for the shrinkage) rotations of the
    features do not change angles and lengths.

    Attributes
    ----------
    centre : (n_features,) mean of the control wells, which is mapped to 0.
    scale : (n_features,) pooled within-plate sd of controls; infinite for features that vary nowhere.
    axes : (n_features, r) orthonormal directions in which the scaled controls vary; ``gain`` (r,) their factors.
    rest : the factor of every other direction.
    """

    centre: Doubles
    scale: Doubles
    axes: Doubles
    gain: Doubles
    rest: float

    def __call__(self, X: Floats) -> Floats:
        """Map rows of profiles, (n, n_features), to the same shape in float32."""
        return self.displacements(X - self.centre)

    def displacements(self, D: Doubles | Floats) -> Floats:
        """Map differences of profiles, (n, n_features): as profiles, without the centre."""
        Z = np.asarray(D / self.scale, dtype=np.float32)
        axes = self.axes.astype(np.float32)
        along = Z @ axes
        Z *= np.float32(self.rest)
        Z += (along * (self.gain - self.rest).astype(np.float32)) @ axes.T
        return Z


def fit_whitening(X: Floats, wells: pd.DataFrame, controls: Mask) -> Whitening:
    """Fit the map on control wells minus the mean of their plate's: Ledoit-Wolf covariance of features in units of sd.

    Parameters
    ----------
    X : (n, n_features) profiles. wells : their n rows, with ``plate``. controls : (n,) the rows that are fitted on.

    Raises
    ------
    NotApplicable : fewer than 3 plates' worth of residuals, or nothing varies.

    Notes
    -----
    Ledoit & Wolf 2004, J. Multivar. Anal. 88. A feature that is constant on the controls of every plate is scaled by
    its sd over all wells, the only estimate of its noise that there is.
    """
    rows = np.flatnonzero(controls)
    residual, freedom = _within_plates(X[rows], pd.factorize(wells["plate"].iloc[rows])[0])
    if freedom < FEWEST_RESIDUALS:
        raise NotApplicable(f"{len(rows)} control wells: too few on a plate to see how they vary", code="few_controls")
    sd = np.sqrt(np.square(residual).sum(axis=0) / freedom)
    overall = X.std(axis=0, dtype=np.float64)
    magnitude = np.abs(X).max(axis=0, initial=0.0)
    tiny = 8 * np.finfo(np.float32).eps
    scale = np.where(sd > np.maximum(tiny * magnitude, 1e-6 * overall), sd, overall)
    scale = np.where(scale > tiny * magnitude, scale, np.inf)
    if not np.isfinite(scale).any():
        raise NotApplicable("no feature of the normalized profiles varies", code="nothing_varies")
    residual *= np.sqrt(len(rows) / freedom)  # plate means were estimated
    residual /= scale
    n, p = residual.shape
    product = (residual @ residual.T if n < p else residual.T @ residual) / n
    shrinkage = ledoit_wolf_shrinkage(residual, product)
    values, vectors = np.linalg.eigh(product)
    spanned = values > values[-1] * max(n, p) * np.finfo(np.float64).eps
    values, vectors = values[spanned], vectors[:, spanned]
    axes = residual.T @ vectors / np.sqrt(n * values) if n < p else vectors
    floor = shrinkage * np.trace(product) / p
    gain = 1 / np.sqrt((1 - shrinkage) * values + floor)
    rest = 1 / np.sqrt(floor) if floor > 0 else 0.0
    return Whitening(X[rows].mean(axis=0, dtype=np.float64), scale, axes, gain, float(rest))


def _within_plates(X: Floats, plate: NDArray[np.intp]) -> tuple[Doubles, int]:
    """Return rows minus the mean of their plate, (n, n_features), and the degrees of freedom of these residuals."""
    means = group_means(X, plate)
    return X - means[plate], int(len(X) - len(means))
