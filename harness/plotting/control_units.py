"""Features in units of the spread of control wells, which compare before and after a normalization."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from harness.core.arrays import Doubles, Floats

MAD_TO_SD = 1.4826  # of a Gaussian
RESOLUTION = 1e-6  # of a feature's magnitude: float32 profiles do not resolve less


def control_spread(controls: Floats, plate: pd.Series[str]) -> Doubles:
    """Return the robust sd of control wells within plates, (n_features,).

    ``controls`` are (n, n_features), ``plate`` their plates (n,).

    1.4826 / sqrt(2) times the median absolute difference of two wells that follow each other on a plate: unlike
    deviations from the median of a few wells it is not too small, and no shift of a plate or batch enters. NaN
    if no plate has two wells, or the feature does not vary within plates.
    """
    same = (plate.to_numpy()[1:] == plate.to_numpy()[:-1]).nonzero()[0]
    if not len(same):
        return np.full(controls.shape[1], np.nan)
    X = controls.astype(np.float64)
    sd = MAD_TO_SD / np.sqrt(2) * np.median(np.abs(X[same + 1] - X[same]), axis=0)
    return np.where(sd > RESOLUTION * np.abs(X).max(axis=0), sd, np.nan)


def in_control_units(X: Floats, *, centre: Doubles, sd: Doubles) -> Floats:
    """Return (X - centre) / sd, computed in float64; NaN for features without a spread."""
    return np.asarray((X.astype(np.float64) - centre) / sd, dtype=np.float32)
