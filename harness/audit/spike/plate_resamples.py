"""Resamples of plates and directions, and the intervals from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t

from harness.audit.shared.bounded_interval import degrees_of_freedom
from harness.core.arrays import Doubles, Mask
from harness.core.seeding import generator
from harness.scoring.bootstrap import LEVEL, resample

MOST_RESAMPLES = 200
SAME_LEVEL = 0.15  # shares of spiked wells that count as the same


@dataclass(frozen=True)
class PlateResamples:
    """Resamples of the plates of a screen.

    Attributes
    ----------
    plates : (1 + R, n_plates) multiplicities, in order of first appearance; the first row is all ones.
    freedom : degrees of freedom of an interval from them. seed : of the directions that are drawn with the plates.
    widening : factor by which the spread of resamples of few plates is too small.
    """

    plates: Doubles
    freedom: int
    seed: int
    widening: float = 1.0

    def directions(self, n: int) -> Doubles:
        """Return multiplicities of ``n`` directions, (1 + R, n), resampled together with the plates."""
        multiplicities = generator(self.seed, "directions", n).multinomial(n, np.full(n, 1 / n), len(self.plates) - 1)
        return np.vstack([np.ones(n), multiplicities])

    def mean(self, values: Doubles) -> Doubles:
        """Return the mean over directions of ``values`` (1 + R, n) under each resample, (1 + R,)."""
        weight = np.where(np.isfinite(values), self.directions(values.shape[1]), 0.0)
        return _ratio((weight * np.nan_to_num(values)).sum(axis=1), weight.sum(axis=1))

    def by_direction(self, total: Doubles, count: Doubles) -> Doubles:
        """Return means over wells under each resample, (1 + R, n), from sums by direction and plate, (n, n_plates)."""
        return _ratio(self.plates @ total.T, self.plates @ count.T)

    def interval(self, values: Doubles) -> tuple[float, float]:
        """Return Student's interval around the first of ``values``, (1 + R,), from the spread of the others.

        NaN, NaN if fewer than half of the resamples are defined, or there is no degree of freedom.
        """
        defined = values[1:][np.isfinite(values[1:])]
        if not np.isfinite(values[0]) or self.freedom < 1 or len(defined) < max(2, len(values) / 2):
            return float("nan"), float("nan")
        spread = defined.std() * self.widening
        half = t.ppf((1 + LEVEL) / 2, self.freedom) * spread
        return float(values[0] - half), float(values[0] + half)


def resample_plates(wells: pd.DataFrame, n: int, seed: int) -> PlateResamples:
    """Resample plates within batches, and the batches, of a table of wells; at most 200 times."""
    resamples = resample(wells, n=min(n, MOST_RESAMPLES), seed=seed)
    order = pd.Index(resamples.plates).get_indexer(pd.Index(wells["plate"].unique()))
    multiplicity = (resamples.within * resamples.above)[:, order]
    plates = np.vstack([np.ones(len(order)), multiplicity])
    freedom = degrees_of_freedom(wells)
    return PlateResamples(plates, freedom, seed, widening=np.sqrt((freedom + 1) / freedom) if freedom else 1.0)


def resample_alike_plates(wells: pd.DataFrame, level: Doubles, halves: Mask, n: int, seed: int) -> PlateResamples:
    """Resample plates among those of the same half with nearly the same prevalence, which is part of the design.

    A resample with more spiked plates, or without a spiked batch, would answer another question. If all plates have the
    same prevalence, plates are resampled as by :func:`resample_plates`.

    Parameters
    ----------
    wells : plates are numbered in order of first appearance. level : (n_plates,) share of spiked wells. halves :
        (n_plates,) the first half.
    """
    if np.ptp(level) <= SAME_LEVEL:
        return resample_plates(wells, n, seed)
    names = np.asarray(wells["plate"].unique(), dtype=str)
    order = np.lexsort((names, level, halves))
    groups: list[list[int]] = []
    for plate in order:
        first = groups[-1][0] if groups else plate
        if groups and halves[first] == halves[plate] and level[plate] - level[first] <= SAME_LEVEL:
            groups[-1].append(int(plate))
        else:
            groups.append([int(plate)])
    return resample_within_groups(names, groups, n, seed)


def resample_within_groups(
    names: NDArray[np.str_], groups: Sequence[Sequence[int]], n: int, seed: int
) -> PlateResamples:
    """Resample plates among those of the same group; ``names`` (n_plates,) are in order of first appearance."""
    n = min(n, MOST_RESAMPLES)
    plates = np.ones((n + 1, len(names)))
    for group in groups:
        share = np.full(len(group), 1 / len(group))
        multiplicities = generator(seed, "plates", *sorted(names[list(group)])).multinomial(len(group), share, n)
        plates[1:, sorted(group, key=lambda plate: str(names[plate]))] = multiplicities
    freedom = len(names) - len(groups)
    return PlateResamples(plates, freedom, seed, widening=np.sqrt(len(names) / freedom) if freedom else 1.0)


def _ratio(a: Doubles, b: Doubles) -> Doubles:
    """Return a / b, NaN where b is not positive."""
    return np.asarray(np.divide(a, b, out=np.full(np.shape(a), np.nan), where=b > 0))
