"""Recall."""

from __future__ import annotations

from harness.core.arrays import Doubles
from harness.core.evaluation import Evaluation
from harness.metric.base import Metric, confusion, ratio
from harness.metric.shared.weights import BootstrapWeights


class Recall(Metric):
    """TP / (TP + FN), sensitivity, at the threshold set on training data."""

    name = "recall"
    better = "higher"
    bounds = (0.0, 1.0)

    def values(self, evaluation: Evaluation, weight: BootstrapWeights) -> Doubles:
        tp, _, fn, _ = confusion(evaluation, weight)
        return ratio(tp, tp + fn)
