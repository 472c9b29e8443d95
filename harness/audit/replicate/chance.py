"""Average precision of random rankings, and p values against it (Kalinin 2025; copairs)."""

from __future__ import annotations

import numpy as np

from harness.audit.replicate.selection import Ints, ordinal
from harness.core.arrays import Doubles
from harness.core.seeding import generator

RankedReplicates = tuple[Doubles, Ints, Ints]  # average precision, positives and negatives of each well, (n,) each


def chance_average_precision(positives: Ints, negatives: Ints) -> Doubles:
    """Return the expected average precision of a random ranking, (n,); NaN without positives or without negatives.

    With M positives among L: ((M - 1) / (L - 1) (L - H_L) + H_L) / L, H_L the L-th harmonic number
    (Bestgen 2015, Prague Bulletin of Mathematical Linguistics 103, 131).
    """
    defined = (positives > 0) & (negatives > 0)
    m, total = positives[defined], (positives + negatives)[defined]
    harmonic = np.cumsum(1.0 / np.arange(1, max(2, total.max(initial=0)) + 1))[total - 1]
    expected = np.full(len(positives), np.nan)
    expected[defined] = ((m - 1) / (total - 1) * (total - harmonic) + harmonic) / total
    return expected


def p_values(treatment: Ints, ranked: RankedReplicates, *, n_null: int, seed: int) -> Doubles:
    """Return the p of the mean average precision of each treatment that has one, in order of their numbers.

    As in copairs: the null of a well is the average precision of random rankings with its numbers of positives and
    negatives. Wells with equal numbers share their random rankings, so that the null of their mean is as wide as that
    of one well: conservative, as wells of a treatment are each other's positives.
    """
    value, positives, negatives = ranked
    defined = np.isfinite(value)
    group = ordinal(treatment[defined])
    mean = np.bincount(group, value[defined]) / np.bincount(group)
    kinds, kind = np.unique(np.stack([positives[defined], negatives[defined]]), axis=1, return_inverse=True)
    null = [_random(int(m), int(n), n_null, seed) for m, n in kinds.T]
    p = np.empty(len(mean))
    null_by_kinds: dict[tuple[int, ...], Doubles] = {}
    ordered = kind[np.argsort(group, kind="stable")]
    for number, kinds_of_wells in enumerate(np.split(ordered, np.cumsum(np.bincount(group))[:-1])):
        key = tuple(sorted(kinds_of_wells.tolist()))
        if key not in null_by_kinds:
            null_by_kinds[key] = np.sort(np.mean([null[k] for k in key], axis=0))
        p[number] = (n_null - np.searchsorted(null_by_kinds[key], mean[number], side="right") + 1) / (n_null + 1)
    return p


def _random(m: int, n: int, n_null: int, seed: int) -> Doubles:
    """Return the average precision of random rankings of m positives among m + n, (n_null,)."""
    ranks = np.tile(np.arange(1, m + n + 1, dtype=np.int32), (n_null, 1))
    generator(seed, "random rankings", m, n).permuted(ranks, axis=1, out=ranks)
    return np.asarray((np.arange(1, m + 1) / np.sort(ranks[:, :m], axis=1)).mean(axis=1))
