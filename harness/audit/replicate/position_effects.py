"""Effects of the rows and columns of plates on profiles, removed. Arrays in, arrays out."""

from __future__ import annotations

import numpy as np
import pandas as pd

from harness.core.arrays import Doubles, Floats, Mask

WELLS_PER_EFFECT = 10  # fewer would fit noise


def remove_position_effects(Z: Floats, wells: pd.DataFrame) -> Floats:
    """Subtract the mean effects of rows and columns, the same on all plates; 0 stays at the mean of the controls.

    They are fitted together with a difference of the roles, so that what treated wells share does not count as an
    effect of their position.

    Parameters
    ----------
    Z : (n, p). wells : n rows with ``role``; without ``row`` and ``column``, or with few wells, Z is returned.
    """
    if not _has_positions(wells):
        return Z
    control = (wells["role"] == "negcon").to_numpy(dtype=bool)
    effects = np.hstack([pd.get_dummies(wells[name]).to_numpy(dtype=np.float64) for name in ("row", "column")])
    if len(Z) < WELLS_PER_EFFECT * effects.shape[1]:
        return Z
    effects -= effects[control].mean(axis=0)
    design: Doubles = np.column_stack([effects, control, ~control]).astype(np.float64)
    coefficients = np.linalg.pinv(design.T @ design, hermitian=True) @ (design.T @ Z)
    return np.asarray(Z - effects @ coefficients[: effects.shape[1]], dtype=np.float32)


def share_beside_controls(wells: pd.DataFrame) -> float:
    """Return the share of treated wells that stand in a row and in a column in which some plate has controls.

    0 if rows and columns are not known. If it is near 0 (controls in columns of their own), treated wells may differ
    from controls by their position.
    """
    if not _has_positions(wells):
        return 0.0
    control = (wells["role"] == "negcon").to_numpy(dtype=bool)
    treated = (wells["role"] == "treated").to_numpy(dtype=bool)
    covered: Mask = np.ones(len(wells), dtype=bool)
    for name in ("row", "column"):
        covered &= wells[name].isin(wells.loc[control, name].unique()).to_numpy(dtype=bool)
    return float(covered[treated].mean()) if treated.any() else 0.0


def _has_positions(wells: pd.DataFrame) -> bool:
    """Return whether every well has a row and a column."""
    return {"row", "column"} <= set(wells.columns) and not wells[["row", "column"]].isna().to_numpy().any()
