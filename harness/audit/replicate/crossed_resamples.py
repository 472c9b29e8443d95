"""Means over groups of means over their wells, and ratios of them, with groups and plates resampled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import coo_array

from harness.audit.base import AuditContext
from harness.audit.replicate.selection import Ints
from harness.core.arrays import Doubles
from harness.core.seeding import generator
from harness.scoring.bootstrap import interval, resample


@dataclass(frozen=True)
class Estimate:
    """A value with its 95% interval, or NaN with a code and a reason."""

    value: float
    lower: float = float("nan")
    upper: float = float("nan")
    code: str = ""
    reason: str = ""


@dataclass(frozen=True)
class CrossedResamples:
    """Resamples of n wells in which groups (compounds or treatments) and plates are drawn, each on its own.

    A group has wells on several plates and a plate has wells of many groups, so neither alone would do: draws of plates
    (within batches, and batches above) are multiplied with draws of groups (the pigeonhole bootstrap, Owen 2007, Annals
    of Applied Statistics 1, 386; somewhat too wide rather than too narrow).

    Attributes
    ----------
    group, plate : (n,) numbers.
    by_group : (n_groups, R) and by_plate (n_plates, R) multiplicities.
    """

    group: Ints
    plate: Ints
    by_group: Doubles
    by_plate: Doubles

    def mean(self, values: Doubles) -> Estimate:
        """Return the mean over groups of the mean over their wells; ``values`` is (n,) without NaN."""
        return Estimate(self._mean(values), *interval(self._resampled_means(values)))

    def ratio(self, numerator: Doubles, denominator: Doubles) -> Estimate:
        """Return the ratio of two such means, paired over the resamples."""
        below = self._resampled_means(denominator)
        draws = np.divide(self._resampled_means(numerator), below, out=np.full(len(below), np.nan), where=below > 0)
        return Estimate(self._mean(numerator) / self._mean(denominator), *interval(draws))

    def _mean(self, values: Doubles) -> float:
        """Return the mean over groups of the mean over their wells."""
        if np.isnan(values).any():
            raise ValueError("a score is undefined for wells for which another is defined")
        return float((np.bincount(self.group, values) / np.bincount(self.group)).mean())

    def _resampled_means(self, values: Doubles) -> Doubles:
        """Return the mean under each resample, (R,); NaN if no well is drawn."""
        share = 1.0 / np.bincount(self.group)[self.group]
        weight = self._resampled_sums(share)
        total = self._resampled_sums(share * values)
        return np.asarray(np.divide(total, weight, out=np.full(len(weight), np.nan), where=weight > 0))

    def _resampled_sums(self, values: Doubles) -> Doubles:
        """Return the sum over wells under each resample, (R,)."""
        shape = (len(self.by_group), len(self.by_plate))
        sums = (self.by_group * (coo_array((values, (self.group, self.plate)), shape) @ self.by_plate)).sum(axis=0)
        return np.asarray(sums)


def resample_crossed(context: AuditContext, wells: pd.DataFrame, group: Ints, *, kind: str) -> CrossedResamples:
    """Draw groups and plates of ``wells`` (n rows with ``plate`` and ``batch``) for a run.

    Parameters
    ----------
    group : (n,) 0..n_groups-1, none empty. kind : what the groups are, which seeds their draws.
    """
    resamples = resample(wells, n=context.n_resamples, seed=context.seed)
    plates = pd.Index(resamples.plates).get_indexer(pd.Index(wells["plate"]))
    n_groups = int(group.max()) + 1
    rng = generator(context.seed, f"bootstrap {kind}", n_groups)
    by_group = rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), context.n_resamples).T
    return CrossedResamples(
        group,
        np.asarray(plates, dtype=np.intp),
        by_group.astype(np.float64),
        (resamples.within * resamples.above).T,
    )
