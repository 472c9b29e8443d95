"""Intervals of means and medians over wells, by resampling plates, and compounds where wells belong to both."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array

from harness.audit.base import AuditContext
from harness.core.arrays import Doubles
from harness.core.seeding import generator
from harness.metric.shared.weights import BootstrapWeights
from harness.scoring.bootstrap import interval, resample


def mean_interval(context: AuditContext, wells: pd.DataFrame, value: Doubles) -> tuple[float, float]:
    """Return interval of the mean of ``value`` (n,) over wells: plates resampled within batches, each well's value
    fixed.

    ``wells`` are n rows with ``plate`` and ``batch``. NaN where no batch has two plates.
    """
    if _alone(wells):
        return float("nan"), float("nan")
    weights = _weights(context, wells)
    return interval(weights.total(value) / weights.total(np.ones(len(value))))


def median_interval(context: AuditContext, wells: pd.DataFrame, value: Doubles) -> tuple[float, float]:
    """Return the same of the median."""
    if _alone(wells):
        return float("nan"), float("nan")
    order = np.argsort(value, kind="stable")
    drawn = []
    for block in _weights(context, wells.iloc[order]).blocks():
        below = block.cumsum(axis=1)
        drawn.append(value[order][(below < below[:, -1:] / 2).sum(axis=1)])
    return interval(np.concatenate(drawn))


def crossed_interval(
    context: AuditContext, wells: pd.DataFrame, value: Doubles, group: NDArray[np.intp]
) -> tuple[float, float]:
    """Return interval of the mean over groups of the mean over their wells, groups and plates both resampled.

    A group (a compound) has wells on several plates and a plate has wells of many groups, so neither alone would do:
    draws of plates (within batches, and batches above) are multiplied with draws of groups (the pigeonhole bootstrap,
    Owen 2007, Annals of Applied Statistics 1, 386; somewhat too wide rather than too narrow).

    Parameters
    ----------
    wells : n rows with ``plate`` and ``batch``. value : (n,), no NaN. group : (n,), 0..n_groups-1, none empty.
    """
    drawn = resample(wells, n=context.n_resamples, seed=context.seed)
    plates = pd.Index(drawn.plates).get_indexer(pd.Index(wells["plate"]))
    share = 1.0 / np.bincount(group)[group]
    shape = (int(group.max()) + 1, len(drawn.plates))
    by_plate = (drawn.within * drawn.above).T
    rng = generator(context.seed, "bootstrap groups", shape[0])
    by_group = rng.multinomial(shape[0], np.full(shape[0], 1 / shape[0]), context.n_resamples).T

    def total(x: Doubles) -> Doubles:
        return np.asarray((by_group * (coo_array((x, (group, plates)), shape) @ by_plate)).sum(axis=0))

    weight = total(share)
    return interval(np.divide(total(share * value), weight, out=np.full(len(weight), np.nan), where=weight > 0))


def _alone(wells: pd.DataFrame) -> bool:
    """Return whether every plate is the only one of its batch: nothing to resample within batches."""
    return bool(wells.groupby("batch")["plate"].nunique().max() == 1)


def _weights(context: AuditContext, wells: pd.DataFrame) -> BootstrapWeights:
    drawn = resample(wells, n=context.n_resamples, seed=context.seed)
    return BootstrapWeights(drawn.within, pd.Index(drawn.plates).get_indexer(pd.Index(wells["plate"])))
