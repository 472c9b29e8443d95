"""Principal components of standardized features."""

from __future__ import annotations

import numpy as np
from sklearn.decomposition import PCA

from harness.core.arrays import Floats, Mask
from harness.core.exceptions import NotApplicable
from harness.numerics.moments import moments
from harness.numerics.standardize import standardize_groups

N_COMPONENTS = 50


def standardized(X: Floats, *, origin: Mask | None = None) -> Floats:
    """Return features in units of their standard deviation, centred at the mean of the ``origin`` rows (default: all).

    Mean and sd are the same for every plate, so differences between plates and batches stay as they are. Features
    that do not vary are left out.

    Parameters
    ----------
    X : (n, n_features) float32. origin : (n,) mask.

    Returns
    -------
    (n, <= n_features) float32.

    Raises
    ------
    NotApplicable : no feature varies.
    """
    everything = moments(X)
    varies = everything.sd > 0
    if not varies.any():
        raise NotApplicable("no feature of the normalized profiles varies")
    mean = everything.mean if origin is None else moments(X, rows=origin).mean
    rows = np.zeros(len(X), dtype=np.int64)
    return standardize_groups(X[:, varies], rows, mean[None, varies], everything.sd[None, varies])


def components(X: Floats, n: int) -> Floats:
    """Return standardized features on their first principal components, (n_rows, <= n), largest variance first."""
    scaled = standardized(X)
    n = min(n, *scaled.shape)
    return np.asarray(PCA(n, svd_solver="randomized", random_state=0).fit_transform(scaled), dtype=np.float32)
