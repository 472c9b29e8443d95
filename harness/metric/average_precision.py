"""Average precision."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.core.arrays import Doubles
from harness.core.evaluation import Evaluation
from harness.metric.base import Metric, ratio
from harness.metric.shared.weights import BootstrapWeights


class AveragePrecision(Metric):
    """Sum over thresholds of precision times gain in recall, no interpolation (Davis & Goadrich 2006, ICML).

    Its chance level is the base rate, 0.83 at 320 treated and 64 control wells: never read it without.
    """

    name = "average_precision"
    better = "higher"
    bounds = (0.0, 1.0)

    def values(self, evaluation: Evaluation, weight: BootstrapWeights) -> Doubles:
        order = np.argsort(-evaluation.score, kind="stable")
        last = np.r_[np.flatnonzero(np.diff(evaluation.score[order])), len(order) - 1]
        positive = (evaluation.y[order] == 1).astype(np.float64)
        return np.concatenate([_average_precision(w[:, order], positive, last) for w in weight.blocks()])


def _average_precision(weight: Doubles, positive: Doubles, last: NDArray[np.intp]) -> Doubles:
    """Return the metric from weights (r, n) and labels (n,) by descending score; ``last`` ends each distinct score."""
    hits = np.cumsum(weight * positive, axis=1)[:, last]
    called = np.cumsum(weight, axis=1)[:, last]
    gain = np.diff(hits, axis=1, prepend=0.0)
    precision = np.divide(hits, called, out=np.zeros_like(hits), where=called > 0)
    return ratio((precision * gain).sum(axis=1), hits[:, -1])
