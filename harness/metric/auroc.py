"""Area under the ROC curve."""

from __future__ import annotations

import numpy as np

from harness.metric.base import Metric, ratio
from harness.types import Doubles, Evaluation
from harness.weights import Weights


class Auroc(Metric):
    """AUROC: probability that a positive scores above a negative, ties half (Hanley & McNeil 1982, Radiology 143).

    Within one batch it is blind to a shift of that batch: read it beside the threshold and probability scores.
    Pairs are counted once by plate of the positive and plate of the negative, so that each draw is a small product.
    """

    name = "auroc"
    better = "higher"
    bounds = (0.0, 1.0)

    def values(self, evaluation: Evaluation, weight: Weights) -> Doubles:
        positive = evaluation.y == 1
        n_plates = weight.by_plate.shape[1]
        score, plate = evaluation.score[positive], weight.index[positive]
        above = np.zeros((n_plates, n_plates))
        for other in np.unique(weight.index[~positive]):
            rivals = np.sort(evaluation.score[~positive & (weight.index == other)])
            beaten = (np.searchsorted(rivals, score, "left") + np.searchsorted(rivals, score, "right")) / 2
            above[:, other] = np.bincount(plate, beaten, minlength=n_plates)
        won = np.einsum("rp,pq,rq->r", weight.by_plate, above, weight.by_plate, optimize=True)
        pairs = weight.total(positive.astype(float)) * weight.total((~positive).astype(float))
        return ratio(won, pairs)
