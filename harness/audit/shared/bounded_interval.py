"""Intervals of scores between 0 and 1 that stay within these bounds, and their degrees of freedom."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from scipy.stats import t

from harness.core.arrays import Doubles
from harness.scoring.bootstrap import FEWEST_BATCHES, LEVEL

EDGE = 1e-4  # the logit of 0 and 1 is infinite


def degrees_of_freedom(wells: pd.DataFrame) -> int:
    """Return the degrees of freedom of an interval over ``wells``; 0 if there are none.

    Batches minus 1 from :data:`harness.scoring.bootstrap.FEWEST_BATCHES` batches on, else plates minus one for each
    batch; with one plate in each batch, plates minus 1.
    """
    return freedom_of(wells["batch"].nunique(), wells["plate"].nunique())


def freedom_of(n_batches: int, n_plates: int) -> int:
    """Return the degrees of freedom of a number of batches and plates, see :func:`degrees_of_freedom`."""
    if n_batches >= FEWEST_BATCHES:
        return n_batches - 1
    return n_plates - n_batches if n_plates > n_batches else n_plates - 1


def bounded_interval(
    value: float, draws: Doubles, *, freedom: int, least_sd: float = 0.0, level: float = LEVEL, n: int = 0
) -> tuple[float, float]:
    """Return the interval of a score between 0 and 1 from its resamples, symmetric on the logit scale.

    Parameters
    ----------
    draws : (R,) resampled values, NaN where undefined. freedom : of Student's quantile, which widens the interval for
        the few plates or batches that were resampled (their spread is too small by sqrt(freedom / (freedom + 1))).
    least_sd : standard error that independent wells would give at this ``value``, on the scale of the score: resampling
        a handful of plates sometimes shows almost no variation.
    n : wells behind the score, which counts as no nearer to 0 or 1 than half a well (their logits are infinite).

    Returns
    -------
    NaN, NaN if fewer than half of the draws are defined, or there is no degree of freedom.
    """
    defined = draws[~np.isnan(draws)]
    if np.isnan(value) or freedom < 1 or len(defined) < 2 or len(defined) < len(draws) / 2:
        return float("nan"), float("nan")
    edge = max(EDGE, 0.5 / (n + 1)) if n else EDGE
    centre = _logit(np.array(value), edge)
    spread = float(np.std(_logit(defined, edge))) * np.sqrt((freedom + 1) / freedom)
    inside = float(np.clip(value, edge, 1 - edge))
    spread = max(spread, least_sd / (inside * (1 - inside)) if least_sd else 0.0)
    half = t.ppf((1 + level) / 2, freedom) * spread
    lower, upper = expit(centre - half), expit(centre + half)
    return float(min(lower, value)), float(max(upper, value))


def difference_interval(value: float, draws: Doubles, *, freedom: int) -> tuple[float, float]:
    """Return Student's interval of the difference of two scores between 0 and 1 from its paired resamples (R,).

    NaN, NaN if there is no degree of freedom.
    """
    if freedom < 1:
        return float("nan"), float("nan")
    half = t.ppf((1 + LEVEL) / 2, freedom) * float(np.nanstd(draws)) * np.sqrt((freedom + 1) / freedom)
    return float(max(value - half, -1.0)), float(min(value + half, 1.0))


def auroc_sd(value: float, n_positive: float, n_negative: float) -> float:
    """Return the standard error of an AUROC over independent wells (Hanley & McNeil 1982, Radiology 143, 29)."""
    q1, q2 = value / (2 - value), 2 * value**2 / (1 + value)
    variance = value * (1 - value) + (n_positive - 1) * (q1 - value**2) + (n_negative - 1) * (q2 - value**2)
    return float(np.sqrt(max(variance, 0.0) / (n_positive * n_negative)))


def at_level(
    value: float, lower: float, upper: float, *, freedom: int, level: float, level_of_bounds: float = LEVEL
) -> tuple[float, float]:
    """Convert a :func:`bounded_interval` of level ``level_of_bounds`` to another level."""
    if np.isnan(lower) or freedom < 1:
        return float("nan"), float("nan")
    widening = t.ppf((1 + level) / 2, freedom) / t.ppf((1 + level_of_bounds) / 2, freedom)
    centre, low, high = (_logit(np.array(x)) for x in (value, lower, upper))
    return float(min(expit(centre - (centre - low) * widening), value)), float(
        max(expit(centre + (high - centre) * widening), value)
    )


def _logit(values: Doubles, edge: float = EDGE) -> Doubles:
    """Return the logit of values, cut ``edge`` away from 0 and 1."""
    return np.asarray(logit(np.clip(values, edge, 1 - edge)))
