"""Batches as stretches of plates between change points of their control profiles."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from ruptures import KernelCPD

from harness.core.arrays import Doubles
from harness.core.exceptions import InputError

Labels = NDArray[np.int64]


def noise(X: Doubles) -> float:
    """Return variance from plate to plate within a batch, summed over the components: X (n, q) in plate order.

    Half the median squared step from a plate to the next (von Neumann 1941, with a median for the mean): a change of
    batch is one large step among many. InputError: plates without any difference.
    """
    steps = (np.diff(X, axis=0) ** 2).sum(axis=1)
    if not np.median(steps) > 0:
        raise InputError(
            "batch=inferred: most plates have the very control wells of the plate before; is one plate in the table "
            "under several names? Drop the copies, or name batches by batch=column or batch=ranges"
        )
    return float(np.median(steps) / 2)


def penalty(X: Doubles) -> float:
    """Return what a change point must save in squared error: Schwarz's criterion for a shift of all q components.

    In Gaussian noise of variance v in each of q components a shift is q parameters and must save q v log(n); q v is
    :func:`noise`, measured on these plates, so that components of unequal variance count by what they vary.
    """
    return noise(X) * float(np.log(len(X)))


def change_points(X: Doubles, min_size: int) -> Labels:
    """Return batch number 0, 1, ... of each plate, (n,): the exact minimum of squared error + :func:`penalty` a change.

    X (n, q), plates in order. Dynamic programming over all partitions into stretches of at least ``min_size`` plates
    (ruptures, Truong 2020: kernel ``linear``, which is the squared error around the mean of a stretch).
    """
    n, price = len(X), penalty(X)
    search = KernelCPD(kernel="linear", min_size=min_size).fit(X)
    total = np.vstack([np.zeros(X.shape[1]), X.cumsum(axis=0)])
    best, chosen = np.inf, [n]
    for changes in reversed(range(n // min_size)):  # the first answer holds those with fewer changes
        ends = search.predict(n_bkps=changes) if changes else [n]
        starts = [0, *ends[:-1]]
        # The sum of squares is the same for every partition; what it explains is not.
        explained = sum(((total[b] - total[a]) ** 2).sum() / (b - a) for a, b in zip(starts, ends, strict=True))
        if (criterion := changes * price - explained) <= best:
            best, chosen = criterion, ends
    return np.searchsorted(chosen, np.arange(n), side="right").astype(np.int64)
