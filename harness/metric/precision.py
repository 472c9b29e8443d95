"""Precision."""

from __future__ import annotations

from harness.metric.base import Metric, confusion, ratio
from harness.types import Doubles, Evaluation
from harness.weights import Weights


class Precision(Metric):
    """TP / (TP + FP) at the threshold set on training data; undefined where nothing is called positive."""

    name = "precision"
    better = "higher"
    bounds = (0.0, 1.0)

    def values(self, evaluation: Evaluation, weight: Weights) -> Doubles:
        tp, fp, _, _ = confusion(evaluation, weight)
        return ratio(tp, tp + fp)
