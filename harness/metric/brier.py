"""Brier score."""

from __future__ import annotations

import numpy as np

from harness.metric.base import Metric, ratio
from harness.types import Doubles, Evaluation
from harness.weights import Weights


class Brier(Metric):
    """Mean squared difference of predicted probability and outcome (Brier 1950, Mon. Weather Rev. 78)."""

    name = "brier"
    better = "lower"
    bounds = (0.0, 1.0)
    needs_both_classes = False

    def values(self, evaluation: Evaluation, weight: Weights) -> Doubles:
        return ratio(weight.total((evaluation.score - evaluation.y) ** 2), weight.total(np.ones(len(evaluation.y))))
