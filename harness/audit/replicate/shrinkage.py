"""Shrinkage of plates' shares towards the mean of their batch, as far as noise explains their differences."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.core.arrays import Doubles


def shrink_plate_shares(estimate: Doubles, noise: Doubles, batch: NDArray[np.object_]) -> Doubles:
    """Shrink plates towards their batch's mean, and the means of batches towards the mean of all, (n_plates,).

    Both by the share of the variance that noise explains (James-Stein; Efron & Morris 1975, J. Am. Stat. Assoc. 70).

    Parameters
    ----------
    estimate : (n_plates,), NaN where unknown: such a plate takes the mean of its batch, or of all.
    noise : (n_plates,) variance of the estimates, above 0. batch : (n_plates,) names.
    """
    defined = ~np.isnan(estimate)
    if not defined.any():
        return estimate
    names, codes = np.unique(batch, return_inverse=True)
    batch_of_defined = codes[defined]
    size = np.bincount(batch_of_defined, minlength=len(names))
    overall = float(estimate[defined].mean())
    mean = np.divide(np.bincount(batch_of_defined, estimate[defined], minlength=len(names)), size, where=size > 0,
                     out=np.full(len(names), overall))  # fmt: skip
    error = np.bincount(batch_of_defined, noise[defined], minlength=len(names)) / np.maximum(size, 1) ** 2
    has_plates = size > 0
    between = mean.copy()
    between[has_plates] = _shrink(
        mean[has_plates],
        error[has_plates],
        np.full(has_plates.sum(), mean[has_plates].mean()),
        int(has_plates.sum()) - 1,
    )
    out = between[codes]
    inside = _shrink(estimate[defined], noise[defined], mean[batch_of_defined], int(defined.sum() - has_plates.sum()))
    out[defined] += inside - mean[batch_of_defined]
    return np.asarray(out)


def _shrink(value: Doubles, noise: Doubles, centre: Doubles, freedom: int) -> Doubles:
    """Return ``value`` shrunk towards ``centre`` by the share of its variance around it that ``noise`` explains."""
    if freedom < 1:
        return value
    real = max(0.0, float(np.square(value - centre).sum() / freedom - noise.mean()))
    return np.asarray(centre + (value - centre) * real / (real + noise))
