"""Area under the ROC curve."""

from __future__ import annotations

import numpy as np

from harness.core.arrays import Doubles
from harness.core.evaluation import Evaluation
from harness.metric.base import Metric, ratio
from harness.metric.shared.weights import BootstrapWeights


class Auroc(Metric):
    """AUROC: probability that a positive scores above a negative, ties half (Hanley & McNeil 1982, Radiology 143).

    Within one batch it is blind to a shift of that batch: read it together with the threshold and probability scores.
    Pairs are counted once by plate of the positive and plate of the negative, so that each draw is a small product;
    where there are about as many plates (or compounds) as rows, pairs are counted for each draw, along the ranking.
    """

    name = "auroc"
    better = "higher"
    bounds = (0.0, 1.0)

    def values(self, evaluation: Evaluation, weight: BootstrapWeights) -> Doubles:
        positive = evaluation.y == 1
        few = 2 * len(np.unique(weight.index)) <= len(positive)
        won = won_by_plate(evaluation, weight) if few else won_by_rank(evaluation, weight)
        pairs = weight.total(positive.astype(float)) * weight.total((~positive).astype(float))
        return ratio(won, pairs)


def won_by_plate(evaluation: Evaluation, weight: BootstrapWeights) -> Doubles:
    """Return the weighted pairs in which the positive scores higher, ties half, (R,), from counts by pair of plates."""
    positive = evaluation.y == 1
    n_plates = weight.by_plate.shape[1]
    ranked = np.flatnonzero(positive)[np.argsort(evaluation.score[positive])]  # searched several times as fast
    score, plate = evaluation.score[ranked], weight.index[ranked]
    above = np.zeros((n_plates, n_plates))
    for other in np.unique(weight.index[~positive]):
        rivals = np.sort(evaluation.score[~positive & (weight.index == other)])
        beaten = (np.searchsorted(rivals, score, "left") + np.searchsorted(rivals, score, "right")) / 2
        above[:, other] = np.bincount(plate, beaten, minlength=n_plates)
    won = np.einsum("rp,pq,rq->r", weight.by_plate, above, weight.by_plate, optimize=True)
    return np.asarray(won, dtype=np.float64)


def won_by_rank(evaluation: Evaluation, weight: BootstrapWeights) -> Doubles:
    """Return the same, (R,), from cumulative sums of each draw's weights in the order of the scores."""
    if len(evaluation.y) == 0:
        return np.zeros(len(weight.by_plate))
    order = np.argsort(evaluation.score, kind="stable")
    first = np.r_[0, np.flatnonzero(np.diff(evaluation.score[order])) + 1]  # of each distinct score
    positive = (evaluation.y[order] == 1).astype(np.float64)
    won = []
    for block in weight.blocks():
        ordered = block[:, order]
        negative = np.add.reduceat(ordered * (1 - positive), first, axis=1)
        beaten = np.cumsum(negative, axis=1) - negative / 2
        won.append((np.add.reduceat(ordered * positive, first, axis=1) * beaten).sum(axis=1))
    return np.concatenate(won)
