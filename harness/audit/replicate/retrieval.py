"""Retrieval of replicates among other compounds: average precision, a block of wells at a time. Arrays in, out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.audit.replicate.chance import chance_average_precision
from harness.audit.replicate.selection import Ints, PairRule, ReplicateWells
from harness.core.arrays import Doubles, Floats, Mask
from harness.core.seeding import generator

BLOCK = 64  # queries at a time: 1 MB of similarities at 4,000 wells, which a processor's cache holds
RESOLUTION = 1e-6  # similarities that differ by less are ties
FARTHEST = 6  # wells by which a label is moved for the null


@dataclass(frozen=True)
class Retrieval:
    """Retrieval scores of n wells; NaN for a well without replicates or without wells of other compounds.

    Attributes
    ----------
    average_precision : (n,). recall : (n,) 1 if the nearest candidate is a replicate.
    chance : (n,) average precision under moved labels; of a random ranking if those have no pairs.
    """

    average_precision: Doubles
    recall: Doubles
    chance: Doubles

    def take(self, rows: Mask) -> Retrieval:
        """Return the wells of ``rows`` (n,)."""
        return Retrieval(self.average_precision[rows], self.recall[rows], self.chance[rows])


def retrieve(
    views: Sequence[Floats], wells: ReplicateWells, rule: PairRule, seed: int, *, n_null: int = 2
) -> list[Retrieval]:
    """Rank the replicates of every well by ``rule`` among wells of other compounds on the plates of its replicates.

    Plates without a replicate take no part: the replicates of a compound that is in one batch only would stand out from
    the wells of other batches by their batch. ``rule`` holds for wells of other compounds as it does for replicates.
    Ties count half above and half below, so that identical profiles score chance. For ``chance`` labels are moved to
    nearby wells of their plate, so that what a plate, a batch or a region of the plate makes alike stays alike; pairs
    that truly are of one compound are left out.

    Parameters
    ----------
    views : (n, p) rows each; their products are the similarities, of rows of unit length cosines.
    n_null : how often labels are moved for ``chance``.
    """
    n = len(wells.rows)
    labels = [np.arange(n), *(moved_labels(wells, seed, draw) for draw in range(n_null))]
    scores = np.full((len(views), len(labels), 2, n), np.nan)
    positives, negatives = np.zeros(n, dtype=np.intp), np.zeros(n, dtype=np.intp)
    for start in range(0, n, BLOCK):
        rows = np.arange(start, min(start + BLOCK, n))
        candidates = rule.allows(wells, rows[:, None], np.arange(n)[None, :])
        blocks = [_Block.of(wells, order, rows, candidates) for order in labels]
        positives[rows], negatives[rows] = blocks[0].count, _count(blocks[0].negative)
        for v, U in enumerate(views):
            similarity = U[rows] @ U.T
            for k, block in enumerate(blocks):
                scores[v, k][:, rows] = block.scores(similarity)
    random = chance_average_precision(positives, negatives)
    return [Retrieval(view[0, 0], view[0, 1], _mean(view[1:, 0], random)) for view in scores]


def moved_labels(wells: ReplicateWells, seed: int, draw: int) -> Ints:
    """Return for each row the row whose labels it takes over, a few wells further on the same plate, (n,).

    Rows of a plate are sorted by position; the labels of a plate move by 1 to 6 wells, in either direction.
    """
    order = np.arange(len(wells.rows))
    rng = generator(seed, "moved labels", draw)
    for plate in range(wells.plate.max() + 1):
        rows = np.flatnonzero(wells.plate == plate)
        order[rows] = np.roll(rows, int(rng.integers(1, FARTHEST + 1) * rng.choice([-1, 1])))
    return order


@dataclass(frozen=True)
class _Block:
    """A block of rows with the positives and negatives of each.

    Attributes
    ----------
    negative : (n_rows, n). row, column : of each positive, sorted by row. place : number of a positive within its row.
    count : (n_rows,) positives of each row.
    """

    negative: Mask
    row: Ints
    column: Ints
    place: Ints
    count: Ints

    @classmethod
    def of(cls, wells: ReplicateWells, order: Ints, rows: Ints, candidates: Mask) -> _Block:
        """Return the block of ``rows`` when each row has the labels of the row in ``order``."""
        treatment, compound = wells.treatment[order], wells.compound[order]
        positive = candidates & (treatment[rows, None] == treatment[None, :])
        negative = candidates & (compound[rows, None] != compound[None, :])
        if (order != np.arange(len(order))).any():
            differ = wells.compound[rows, None] != wells.compound[None, :]
            positive &= differ
            negative &= differ
        row, column = np.divmod(np.flatnonzero(positive), positive.shape[1])
        replicated = np.zeros((len(rows), int(wells.plate.max()) + 1), dtype=bool)
        replicated[row, wells.plate[column]] = True
        negative &= replicated[:, wells.plate]
        count = np.bincount(row, minlength=len(rows))
        return cls(negative, row, column, np.arange(len(row)) - (np.cumsum(count) - count)[row], count)

    def scores(self, similarity: Floats) -> Doubles:
        """Return the average precision and recall at 1 of each row, (2, n_rows)."""
        most = int(self.count.max(initial=0))
        nearest = np.full((len(similarity), most), -np.inf, dtype=np.float32)
        nearest[self.row, self.place] = similarity[self.row, self.column]
        nearest = -np.sort(-nearest, axis=1)
        others = np.where(self.negative, similarity, np.float32(-np.inf))
        precision, first = np.zeros(len(similarity)), np.zeros(len(similarity))
        for k in range(most):
            limit = nearest[:, k, None]
            above = _count(others > limit + RESOLUTION) + _count(others > limit - RESOLUTION)
            precision += np.where(self.count > k, (k + 1) / (k + 1 + above / 2), 0.0)
            if k == 0:
                first = np.select([above == 0, above == 1], [1.0, 0.5], 0.0)
        scores = np.stack([precision / np.maximum(self.count, 1), first])
        scores[:, (self.count == 0) | ~self.negative.any(axis=1)] = np.nan
        return scores


def _count(mask: Mask) -> Doubles:
    """Return how many values are true in each row, (n_rows,); summed in 16 bits if they suffice, which is faster."""
    return np.asarray(mask.sum(axis=1, dtype=np.uint16 if mask.shape[1] < 1 << 16 else np.intp), dtype=np.float64)


def _mean(draws: Doubles, otherwise: Doubles) -> Doubles:
    """Return the mean over draws (k, n) of the defined values, (n,); ``otherwise`` if there are none."""
    defined = ~np.isnan(draws)
    count = defined.sum(axis=0)
    total = np.where(defined, draws, 0.0).sum(axis=0)
    return np.asarray(np.divide(total, count, out=otherwise.copy(), where=count > 0))
