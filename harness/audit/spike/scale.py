"""The unit of spikes: how much the control wells of a plate vary."""

from __future__ import annotations

import numpy as np
import pandas as pd

from harness.types import Doubles, Floats, InputError


def control_sd(X: Floats, wells: pd.DataFrame) -> Doubles:
    """Return the sd of each plate's control wells by row of X, (n_wells, n_features): each row its plate's.

    Raises
    ------
    InputError : a plate with fewer than 2 control wells.
    """
    codes, by_plate = plate_control_sd(X, wells)
    return by_plate[codes]


def plate_control_sd(X: Floats, wells: pd.DataFrame) -> tuple[np.ndarray[tuple[int], np.dtype[np.intp]], Doubles]:
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
