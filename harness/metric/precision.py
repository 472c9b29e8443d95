"""Precision."""

from __future__ import annotations

from harness.core.arrays import Doubles
from harness.core.evaluation import Evaluation
from harness.metric.base import Metric, confusion, ratio
from harness.metric.shared.weights import BootstrapWeights


class Precision(Metric):
    """TP / (TP + FP) at the threshold set on training data; undefined if nothing is called positive."""

    name = "precision"
    better = "higher"
    bounds = (0.0, 1.0)

    def values(self, evaluation: Evaluation, weight: BootstrapWeights) -> Doubles:
        tp, fp, _, _ = confusion(evaluation, weight)
        return ratio(tp, tp + fp)
