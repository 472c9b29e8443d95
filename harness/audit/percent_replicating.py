"""Percent replicating: how many compounds have replicates that are more alike than wells of different compounds?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import numpy as np

from harness.audit.base import AuditContext, Check
from harness.audit.replicate.metric_wells import metric_replicates
from harness.audit.replicate.selection import Ints
from harness.audit.replicate.similarity import Replicates
from harness.core.arrays import Doubles, Floats
from harness.core.finding import Finding
from harness.core.seeding import generator
from harness.settings.annotated_types import Count
from harness.settings.limits import Within

_VALUES = 1 << 22  # of profiles at a time: 16 MB


class PercentReplicating(Check):
    """Measure which share of the treatments has replicates that correlate more than wells of different compounds do.

    ``replicates/percent_replicating``: share of treatments whose median replicate correlation exceeds the ``quantile``
    of a null of random groups (Way 2022, Cell Systems 13, 911); about 1 - ``quantile`` for ``noise``. Pearson
    correlation over features in units of their sd over the screen. Replicates that share a batch are alike by its
    effect too; ``reason`` says so. Interval: bootstrap of treatments, plates and batches with the null fixed.

    Parameters
    ----------
    n_null : random groups for each number of replicates. quantile : of the null that has to be exceeded.
    """

    needs = ("replicated_treatments >= 1",)

    def __init__(self, *, n_null: Count = 4000, quantile: Annotated[float, Within(0, 1)] = 0.95) -> None:
        self.n_null = n_null
        self.quantile = quantile

    def findings(self, context: AuditContext) -> Iterator[Finding]:
        wells = metric_replicates(context)
        exceeds = replicating(wells, n_null=self.n_null, quantile=self.quantile, seed=context.seed)
        value, lower, upper, n = wells.summary(exceeds, context)
        yield Finding("replicates/percent_replicating", value, lower, upper, n, wells.caveat)


def replicating(wells: Replicates, *, n_null: int, quantile: float, seed: int) -> Doubles:
    """Return 1 for wells whose treatment replicates, 0 for wells whose does not, NaN without a null, (n,).

    Percent replicating of Way 2022, Cell Systems 13, 911: the median pairwise correlation of a treatment's wells
    exceeds the ``quantile`` of medians in groups of as many wells of different compounds. We differ in that pairs in
    the same position of a plate are left out, and in that there is one null for each number of replicates, not one
    for the commonest. No null where there are fewer compounds than replicates.
    """
    result = np.full(len(wells.treatment), np.nan)
    rows = np.argsort(wells.treatment, kind="stable")[(wells.treatment < 0).sum() :]
    counts = np.bincount(wells.treatment[rows])
    start = np.cumsum(counts) - counts
    by_compound = _members(wells.compound)
    for size in np.unique(counts[counts > 1]):
        if size > len(by_compound):
            continue
        groups = rows[start[counts == size][:, None] + np.arange(size)]
        random_groups = _draw(by_compound, size, n_null, generator(seed, "percent replicating", size))
        threshold = np.nanquantile(median_correlation(wells.pearson, random_groups, wells.position), quantile)
        median = median_correlation(wells.pearson, groups, wells.position)
        exceeds = np.where(np.isnan(median), np.nan, median > threshold)
        result[groups] = exceeds[:, None]
    return result


def median_correlation(U: Floats, groups: Ints, position: Ints) -> Doubles:
    """Return for each group of rows the median product over pairs of wells in different positions, (n_groups,).

    Parameters
    ----------
    U : (n, n_features), rows centred and of unit length. groups : (n_groups, size). position : (n,).
    """
    n, size = groups.shape
    a, b = np.triu_indices(size, 1)
    median = np.full(n, np.nan)
    step = max(1, _VALUES // (size * max(U.shape[1], size)))
    for start in range(0, n, step):
        rows = groups[start : start + step]
        profiles = U[rows]
        correlation = (profiles @ profiles.transpose(0, 2, 1))[:, a, b].astype(np.float64)
        positions = position[rows]
        correlation[positions[:, a] == positions[:, b]] = np.nan
        defined = ~np.isnan(correlation).all(axis=1)
        median[start : start + step][defined] = np.nanmedian(correlation[defined], axis=1)
    return median


def _members(compound: Ints) -> list[Ints]:
    """Return the rows of each compound."""
    rows = np.argsort(compound, kind="stable")[(compound < 0).sum() :]
    return np.split(rows, np.cumsum(np.bincount(compound[rows]))[:-1])


def _draw(by_compound: list[Ints], size: int, n: int, rng: np.random.Generator) -> Ints:
    """Draw n groups of ``size`` rows, each of another compound, (n, size)."""
    compounds = np.stack([rng.choice(len(by_compound), size, replace=False) for _ in range(n)])
    n_members = np.array([len(rows) for rows in by_compound])
    first = np.cumsum(n_members) - n_members
    rows: Ints = np.concatenate(by_compound)[first[compounds] + rng.integers(n_members[compounds])]
    return rows
