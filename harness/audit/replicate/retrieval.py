"""Average precision of replicates among other compounds, a block of queries at a time. Arrays in, arrays out."""

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
    """What each of n wells retrieves, NaN for a well without replicates or without wells of other compounds.

    Attributes
    ----------
    average_precision, recall : (n,); recall is 1 if the nearest candidate is a replicate.
    chance : (n,) average precision for labels that were dealt anew; of random ranking if those have no pairs.
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
    """Return rank, for every well, its replicates by ``rule`` among wells of other compounds on the plates of its
    replicates.

    Plates without a replicate take no part: of a compound that is in one batch only, replicates would stand out from
    the wells of other batches by their batch. ``rule`` holds for the others as for replicates. Ties count half above
    and half below, so that identical profiles score chance. For ``chance`` labels are moved to wells near by on their
    plate, so that what a plate, a batch or a region of the plate makes alike stays alike, and pairs that are of one
    compound in truth are left out.

    Parameters
    ----------
    views : (n, p) rows each; their products are the similarities, of rows of unit length cosines.
    n_null : how often labels are dealt for ``chance``.
    """
    n = len(wells.rows)
    labels = [np.arange(n), *(moved_labels(wells, seed, draw) for draw in range(n_null))]
    scores = np.full((len(views), len(labels), 2, n), np.nan)
    positives, negatives = np.zeros(n, dtype=np.intp), np.zeros(n, dtype=np.intp)
    for start in range(0, n, BLOCK):
        rows = np.arange(start, min(start + BLOCK, n))
        candidates = rule.allows(wells, rows[:, None], np.arange(n)[None, :])
        questions = [_Question.of(wells, order, rows, candidates) for order in labels]
        positives[rows], negatives[rows] = questions[0].count, _count(questions[0].negative)
        for v, U in enumerate(views):
            similarity = U[rows] @ U.T
            for k, question in enumerate(questions):
                scores[v, k][:, rows] = question.scores(similarity)
    random = chance_average_precision(positives, negatives)
    return [Retrieval(view[0, 0], view[0, 1], _mean(view[1:, 0], random)) for view in scores]


def moved_labels(wells: ReplicateWells, seed: int, draw: int) -> Ints:
    """Give each row the number of the row whose labels it takes over: one a few wells on, on the same plate, (n,).

    Rows of a plate are sorted by position; plates move by 1 to 6 wells, in either direction.
    """
    order = np.arange(len(wells.rows))
    rng = generator(seed, "moved labels", draw)
    for plate in range(wells.plate.max() + 1):
        rows = np.flatnonzero(wells.plate == plate)
        order[rows] = np.roll(rows, int(rng.integers(1, FARTHEST + 1) * rng.choice([-1, 1])))
    return order


@dataclass(frozen=True)
class _Question:
    """What a block of rows is asked for: ``negative`` (n_rows, n); its positives, by row, ``row`` and ``column``.

    ``place`` numbers the positives of a row, ``count`` (n_rows,) tells how many there are.
    """

    negative: Mask
    row: Ints
    column: Ints
    place: Ints
    count: Ints

    @classmethod
    def of(cls, wells: ReplicateWells, order: Ints, rows: Ints, candidates: Mask) -> _Question:
        """Ask ``rows`` with the labels of the rows in ``order``."""
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
        """Return average precision and recall at 1 of each row, (2, n_rows)."""
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
    """Return how many are true in each row, (n_rows,); 16 bits hold it, and add faster."""
    return np.asarray(mask.sum(axis=1, dtype=np.uint16 if mask.shape[1] < 1 << 16 else np.intp), dtype=np.float64)


def _mean(draws: Doubles, otherwise: Doubles) -> Doubles:
    """Return mean over draws (k, n) of what is defined, (n,); ``otherwise`` if nothing is."""
    defined = ~np.isnan(draws)
    count = defined.sum(axis=0)
    total = np.where(defined, draws, 0.0).sum(axis=0)
    return np.asarray(np.divide(total, count, out=otherwise.copy(), where=count > 0))
