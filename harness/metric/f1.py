"""F1 score."""

from __future__ import annotations

from harness.core.arrays import Doubles
from harness.core.evaluation import Evaluation
from harness.metric.base import Metric, confusion, ratio
from harness.metric.shared.weights import BootstrapWeights


class F1(Metric):
    """2 TP / (2 TP + FP + FN) for the positive class at the threshold set on training data (van Rijsbergen 1979)."""

    name = "f1"
    better = "higher"
    bounds = (0.0, 1.0)

    def values(self, evaluation: Evaluation, weight: BootstrapWeights) -> Doubles:
        tp, fp, fn, _ = confusion(evaluation, weight)
        return ratio(2 * tp, 2 * tp + fp + fn)
