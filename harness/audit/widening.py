"""Intervals widened for what they rest on: one of several, of few batches, or of a handful of plates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.stats import norm, t

from harness.audit.base import Finding
from harness.bootstrap import FEWEST_BATCHES, LEVEL


def widened(f: Finding, m: int, n_batches: int | None = None) -> tuple[float, float]:
    """A 95% interval as one of level 1 - 0.05 / m, each side stretched by a ratio of quantiles.

    Resampling few batches gives intervals that are too narrow (on noise, 89% of those from 4 batches held 0.5), so the
    wider quantile is Student's with ``n_batches`` - 1 degrees of freedom; the normal one where that is None.
    """
    tail = (1 - LEVEL) / 2
    wide = norm.ppf(1 - tail / m) if n_batches is None else t.ppf(1 - tail / m, max(n_batches - 1, 1))
    factor = wide / norm.ppf(1 - tail)
    return f.value - (f.value - f.lower) * factor, f.value + (f.upper - f.value) * factor


def of_wells(f: Finding) -> Finding:
    """A null's AUROC with the interval that its wells alone would give, were they independent.

    Resampling a handful of plates now and then finds almost no variation; the truth is no narrower than this. Standard
    error of an AUROC of 0.5 over n wells, half of either class: 1 / sqrt(3 n), and larger for other shares (Mann &
    Whitney 1947, Ann. Math. Stat. 18).
    """
    half = norm.ppf((1 + LEVEL) / 2) / np.sqrt(3 * f.n) if f.n else np.nan
    return replace(f, lower=f.value - half, upper=f.value + half)


def widened_null(f: Finding, m: int, n_batches: int | None = None) -> tuple[float, float]:
    """:func:`widened` for a null's AUROC: from few batches, no narrower than :func:`of_wells` would be."""
    lower, upper = widened(f, m, n_batches)
    if n_batches is None or n_batches >= FEWEST_BATCHES:
        return lower, upper
    least = widened(of_wells(f), m)
    return min(lower, least[0]), max(upper, least[1])
