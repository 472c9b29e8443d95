"""Recall."""

from __future__ import annotations

from harness.metric.base import Metric, confusion, ratio
from harness.types import Doubles, Evaluation
from harness.weights import Weights


class Recall(Metric):
    """TP / (TP + FN), sensitivity, at the threshold set on training data."""

    name = "recall"
    better = "higher"
    bounds = (0.0, 1.0)

    def values(self, evaluation: Evaluation, weight: Weights) -> Doubles:
        tp, _, fn, _ = confusion(evaluation, weight)
        return ratio(tp, tp + fn)
