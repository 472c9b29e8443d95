"""Strong wells: the share of treated wells that score higher than nearly all controls.

A mean over all wells hides them if few wells are active.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import norm

from harness.audit.shared.bounded_interval import degrees_of_freedom
from harness.core.arrays import Doubles
from harness.core.evaluation import Evaluation
from harness.metric.shared.weights import BootstrapWeights
from harness.scoring.bootstrap import LEVEL, weighted_mean
from harness.scoring.score_table import draws_of

BEYOND = 0.05  # of the controls of a fold


def strong_wells(evaluations: Sequence[Evaluation], *, n_resamples: int) -> tuple[float, float, float]:
    """Return the share of treated wells that stand out from their fold's controls, beyond chance, and its interval.

    A treated well stands out if it scores above the j-th highest of k controls, j nearest to 5%. A control would do so
    with probability j / (k + 1), which is subtracted and the rest rescaled, so that 0 means none and 1 all. The value
    is the mean over folds. The interval adds the variance over resampled plates to that of the limit itself, which has
    a Beta(j, k + 1 - j) distribution. NaN, NaN, NaN if no fold has both classes.
    """
    folds = [fold for fold in evaluations if 0 < fold.y.sum() < len(fold.y)]
    if not folds:
        return float("nan"), float("nan"), float("nan")
    draws = draws_of(folds, n_resamples=n_resamples)
    values, resampled, above, noise = [], [], [], []
    for fold in folds:
        weights, weight_of_fold = draws.weights_of(fold)
        limit, chance, variance = _limit(fold)
        values.append(float(_beyond(fold, limit, chance, BootstrapWeights.once(len(fold.y)))[0]))
        resampled.append(_beyond(fold, limit, chance, weights))
        above.append(weight_of_fold)
        noise.append(variance)
    value = float(np.mean(values))
    spread = np.nanvar(weighted_mean(np.column_stack(resampled), np.column_stack(above)))
    freedom = max(1, degrees_of_freedom(pd.concat([fold.wells for fold in folds])))
    spread *= (freedom + 1) / freedom
    half = norm.ppf((1 + LEVEL) / 2) * np.sqrt(spread + np.sum(noise) / len(folds) ** 2)
    return value, float(value - half), float(value + half)


def _limit(fold: Evaluation) -> tuple[float, float, float]:
    """Return the score that few controls exceed, the chance of a control to exceed it, and the chance's variance."""
    controls = np.sort(fold.score[fold.y == 0])
    k = len(controls)
    j = max(1, round(BEYOND * (k + 1)))
    chance = j / (k + 1)
    return float(controls[-j]), chance, chance * (1 - chance) / (k + 2)


def _beyond(fold: Evaluation, limit: float, chance: float, weight: BootstrapWeights) -> Doubles:
    """Return the share of treated wells above the limit, corrected for chance, under each weighting."""
    treated = (fold.y == 1).astype(float)
    total = weight.total(treated)
    share = np.full(len(total), np.nan)
    np.divide(weight.total(treated * (fold.score > limit)), total, out=share, where=total > 0)
    return np.asarray((share - chance) / (1 - chance))
