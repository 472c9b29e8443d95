"""Log loss."""

from __future__ import annotations

import numpy as np

from harness.core.arrays import Doubles
from harness.core.evaluation import Evaluation
from harness.metric.base import Metric, ratio
from harness.metric.shared.weights import BootstrapWeights

_SMALLEST = float(np.finfo(np.float64).eps)


class LogLoss(Metric):
    """Mean of -log(probability of the true class), in nats (Good 1952, J. R. Stat. Soc. B 14).

    Probabilities are kept within the float64 resolution of 0 and 1, as scikit-learn does.
    """

    name = "log_loss"
    better = "lower"
    bounds = (0.0, float("inf"))
    needs_both_classes = False

    def values(self, evaluation: Evaluation, weight: BootstrapWeights) -> Doubles:
        p = np.where(evaluation.y == 1, evaluation.score, 1 - evaluation.score)
        return ratio(weight.total(-np.log(np.clip(p, _SMALLEST, 1.0))), weight.total(np.ones(len(evaluation.y))))
