"""The unit of spikes: the sd of the control wells of a plate."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.core.arrays import Doubles, Floats
from harness.core.exceptions import InputError


def control_sd(X: Floats, wells: pd.DataFrame) -> Doubles:
    """Return the sd of the control wells of each row's plate, (n_wells, n_features).

    Raises
    ------
    InputError : a plate with fewer than 2 control wells.
    """
    codes, by_plate = plate_control_sd(X, wells)
    return by_plate[codes]


def plate_control_sd(X: Floats, wells: pd.DataFrame) -> tuple[NDArray[np.intp], Doubles]:
    """Return each row's plate, (n_wells,), and the sd of each plate's control wells, (n_plates, n_features).

    Raises
    ------
    InputError : a plate with fewer than 2 control wells.
    """
    codes, plates = pd.factorize(wells["plate"])
    is_control = (wells["role"] == "negcon").to_numpy(dtype=bool)
    scale = np.empty((len(plates), X.shape[1]))
    for number, plate in enumerate(plates):
        controls = np.flatnonzero(is_control & (codes == number))
        if len(controls) < 2:
            raise InputError(f"spike-in: plate {plate!r} has {len(controls)} control wells; a scale needs 2 or more")
        scale[number] = X[controls].std(axis=0, dtype=np.float64)
    return np.asarray(codes, dtype=np.intp), scale


def shrink_scale(scale: Doubles, n_controls: NDArray[np.intp], batch: NDArray[np.intp]) -> Doubles:
    """Return the sd of plates without most of the noise of few controls, (n_plates, n_features); zeros stay 0.

    The sd of k wells is off by about 1 / sqrt(2 (k - 1)). A spike in units of so noisy an sd would vary between plates
    for every method except those that divide by the same sd. So each plate gets its batch's sd of the feature, times
    one factor for the plate, times as much of the rest as noise does not explain (all on the log scale).
    """
    varies = scale > 0
    log = np.log(np.where(varies, scale, 1.0))
    noise = 1 / (2 * np.maximum(n_controls - 1, 1))
    out = np.empty_like(log)
    for name in np.unique(batch):
        rows = np.flatnonzero(batch == name)
        usual = log[rows].mean(axis=0)
        rest = log[rows] - usual
        factor = np.median(rest, axis=1, keepdims=True)
        rest -= factor
        spread = float(np.square(rest).mean()) * len(rows) / max(len(rows) - 1, 1)
        real = max(spread - float(noise[rows].mean()), 0.0)
        share = real / spread if spread > 0 else 0.0
        out[rows] = np.exp(usual + factor + share * rest)
    return np.where(varies, out, 0.0)
