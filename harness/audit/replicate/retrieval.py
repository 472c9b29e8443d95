"""Average precision of replicates among other compounds, a block of queries at a time. Arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.audit.ranking import by_chance
from harness.audit.replicate.selection import Ints, PairRule, ReplicateWells
from harness.seeding import generator
from harness.types import Doubles, Floats, Mask

BLOCK = 256  # queries at a time: 4 MB of similarities at 4,000 wells
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


def retrieve(
    views: Sequence[Floats], wells: ReplicateWells, rule: PairRule, seed: int, *, n_null: int = 2
) -> list[Retrieval]:
    """Rank, for every well, its replicates by ``rule`` among wells of other compounds that ``rule`` allows too.

    Ties count half above and half below, so that identical profiles score chance. For ``chance`` labels are moved to
    wells near by on their plate, so that what a plate, a batch or a region of the plate makes alike stays alike, and
    pairs that are of one compound in truth are left out.

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
        masks = [_masks(wells, order, rows, candidates) for order in labels]
        positives[rows], negatives[rows] = (mask.sum(axis=1) for mask in masks[0])
        for v, U in enumerate(views):
            similarity = U[rows] @ U.T
            for k, (positive, negative) in enumerate(masks):
                scores[v, k][:, rows] = _scores(similarity, positive, negative)
    random = by_chance(positives, negatives)
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


def _masks(wells: ReplicateWells, order: Ints, rows: Ints, candidates: Mask) -> tuple[Mask, Mask]:
    """Positives and negatives of ``rows``, (n_rows, n) each, with the labels of the rows in ``order``."""
    treatment, compound = wells.treatment[order], wells.compound[order]
    positive = candidates & (treatment[rows, None] == treatment[None, :])
    negative = candidates & (compound[rows, None] != compound[None, :])
    if (order != np.arange(len(order))).any():
        differ = wells.compound[rows, None] != wells.compound[None, :]
        positive &= differ
        negative &= differ
    return positive, negative


def _scores(similarity: Floats, positive: Mask, negative: Mask) -> Doubles:
    """Average precision and recall at 1 of each row, (2, n_rows)."""
    n_positive, n_negative = positive.sum(axis=1), negative.sum(axis=1)
    most = int(n_positive.max(initial=0))
    row, column = np.nonzero(positive)
    place = np.arange(len(row)) - np.repeat(np.cumsum(n_positive) - n_positive, n_positive)
    nearest = np.full((len(similarity), most), -np.inf, dtype=np.float32)
    nearest[row, place] = similarity[row, column]
    nearest = -np.sort(-nearest, axis=1)
    others = np.where(negative, similarity, np.float32(-np.inf))
    precision, first = np.zeros(len(similarity)), np.zeros(len(similarity))
    for k in range(most):
        limit = nearest[:, k, None]
        above = (others > limit + RESOLUTION).sum(axis=1) + (others > limit - RESOLUTION).sum(axis=1)
        precision += np.where(n_positive > k, (k + 1) / (k + 1 + above / 2), 0.0)
        if k == 0:
            first = np.select([above == 0, above == 1], [1.0, 0.5], 0.0)
    scores = np.stack([precision / np.maximum(n_positive, 1), first])
    scores[:, (n_positive == 0) | (n_negative == 0)] = np.nan
    return scores


def _mean(draws: Doubles, otherwise: Doubles) -> Doubles:
    """Mean over draws (k, n) of what is defined, (n,); ``otherwise`` if nothing is."""
    defined = ~np.isnan(draws)
    count = defined.sum(axis=0)
    total = np.where(defined, draws, 0.0).sum(axis=0)
    return np.asarray(np.divide(total, count, out=otherwise.copy(), where=count > 0))
