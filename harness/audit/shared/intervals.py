"""Intervals of means and medians over wells, by resampling plates within batches."""

from __future__ import annotations

import numpy as np
import pandas as pd

from harness.audit.base import AuditContext
from harness.core.arrays import Doubles
from harness.metric.shared.weights import BootstrapWeights
from harness.scoring.bootstrap import interval, resample


def mean_interval(context: AuditContext, wells: pd.DataFrame, value: Doubles) -> tuple[float, float]:
    """Return the 95% interval of the mean of ``value`` (n,) over wells, from resampled plates; values stay fixed.

    ``wells`` are n rows with ``plate`` and ``batch``. NaN, NaN if no batch has two plates.
    """
    if _has_single_plates(wells):
        return float("nan"), float("nan")
    weights = _weights(context, wells)
    return interval(weights.total(value) / weights.total(np.ones(len(value))))


def median_interval(context: AuditContext, wells: pd.DataFrame, value: Doubles) -> tuple[float, float]:
    """Return the 95% interval of the median of ``value``, as :func:`mean_interval` does of the mean."""
    if _has_single_plates(wells):
        return float("nan"), float("nan")
    order = np.argsort(value, kind="stable")
    medians = []
    for block in _weights(context, wells.iloc[order]).blocks():
        below = block.cumsum(axis=1)
        medians.append(value[order][(below < below[:, -1:] / 2).sum(axis=1)])
    return interval(np.concatenate(medians))


def _has_single_plates(wells: pd.DataFrame) -> bool:
    """Return whether every plate is the only one of its batch, so that nothing can be resampled within batches."""
    return bool(wells.groupby("batch")["plate"].nunique().max() == 1)


def _weights(context: AuditContext, wells: pd.DataFrame) -> BootstrapWeights:
    """Return the weights of wells under resamples of plates within batches."""
    resamples = resample(wells, n=context.n_resamples, seed=context.seed)
    return BootstrapWeights(resamples.within, pd.Index(resamples.plates).get_indexer(pd.Index(wells["plate"])))
