"""Share of the variance on a plate that rows and columns explain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from harness.plotting.control_units import MAD_TO_SD

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.core.arrays import Doubles

CLIP_AT = 6.0  # robust sd; one bright well is no row


def position_effect(X: Doubles, wells: pd.DataFrame) -> Doubles:
    """Return adjusted R^2 of rows and columns together, (n_features,), of X (n, n_features) centred by plate.

    Values are centred by the median of their plate and clipped at 6 robust sd. Adjusted for the number of rows and
    columns, so that 0 is expected without an effect (Theil 1961) and may be negative. NaN for features that do not
    vary, and everywhere with fewer than two wells for each row or column: R^2 is then high by chance.
    """
    codes = [pd.factorize(wells[column])[0] for column in ("plate", "row", "column")]
    Z = center_by_plate(X, codes[0])
    spread = MAD_TO_SD * np.median(np.abs(Z), axis=0)
    limit = np.where(spread > 0, CLIP_AT * spread, np.inf)
    Z = np.clip(Z, -limit, limit)
    Z -= Z.mean(axis=0)
    design = np.hstack([np.eye(code.max() + 1)[code] for code in codes[1:]])
    basis, size, _ = np.linalg.svd(design - design.mean(axis=0), full_matrices=False)
    basis = basis[:, size > 1e-8 * max(size.max(initial=0.0), 1.0)]
    n, p = len(Z), basis.shape[1]
    total = (Z**2).sum(axis=0)
    if p == 0 or n - 1 < 2 * p:
        return np.full(X.shape[1], np.nan)
    explained = ((basis.T @ Z) ** 2).sum(axis=0)
    share = np.divide(explained, total, out=np.full(len(total), np.nan), where=total > 0)
    return np.asarray(1 - (1 - share) * (n - 1) / (n - p - 1))


def center_by_plate(X: Doubles, plate: NDArray[np.int64]) -> Doubles:
    """Return X (n, n_features) minus the median of each feature over wells of the same ``plate`` (n,), NaN left out."""
    middle = pd.DataFrame(np.asarray(X, dtype=np.float64)).groupby(plate).transform("median")
    return np.asarray(X - middle.to_numpy(), dtype=np.float64)
