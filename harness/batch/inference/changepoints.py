"""Change points of the control profiles along the order of plates; batches are the stretches between them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from ruptures import KernelCPD

from harness.core.arrays import Doubles
from harness.core.exceptions import InputError

Labels = NDArray[np.int64]


def noise(X: Doubles) -> float:
    """Estimate the variance between plates of a batch, summed over the components: X (n, q) in plate order.

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
    """Return the squared error that a change point must save: Schwarz's criterion for a shift of all q components.

    In Gaussian noise of variance v in each of q components a shift is q parameters and must save q v log(n); q v is
    :func:`noise`, measured on these plates, so that components of unequal variance count by what they vary.
    """
    return noise(X) * float(np.log(len(X)))


def change_points(X: Doubles, min_size: int) -> Labels:
    """Return the batch number 0, 1, ... of each plate, (n,), X (n, q) in plate order.

    The exact minimum of the squared error plus a :func:`penalty` for each change. Dynamic programming over all
    partitions into stretches of at least ``min_size`` plates (ruptures, Truong 2020: kernel ``linear``, which is the
    squared error around the mean of a stretch).
    """
    n, price = len(X), penalty(X)
    search = KernelCPD(kernel="linear", min_size=min_size).fit(X)
    total = np.vstack([np.zeros(X.shape[1]), X.cumsum(axis=0)])
    best, batch_ends = np.inf, [n]
    for changes in reversed(range(n // min_size)):  # the first call also solves those with fewer changes
        ends = search.predict(n_bkps=changes) if changes else [n]
        starts = [0, *ends[:-1]]
        # The total sum of squares is the same for every partition; the part that it explains is not.
        explained = sum(((total[b] - total[a]) ** 2).sum() / (b - a) for a, b in zip(starts, ends, strict=True))
        if (criterion := changes * price - explained) <= best:
            best, batch_ends = criterion, ends
    return np.searchsorted(batch_ends, np.arange(n), side="right").astype(np.int64)
