"""Brier score."""

from __future__ import annotations

import numpy as np

from harness.core.arrays import Doubles
from harness.core.evaluation import Evaluation
from harness.metric.base import Metric, ratio
from harness.metric.shared.weights import BootstrapWeights


class Brier(Metric):
    """Mean squared difference of predicted probability and outcome (Brier 1950, Mon. Weather Rev. 78)."""

    name = "brier"
    better = "lower"
    bounds = (0.0, 1.0)
    needs_both_classes = False

    def values(self, evaluation: Evaluation, weight: BootstrapWeights) -> Doubles:
        return ratio(weight.total((evaluation.score - evaluation.y) ** 2), weight.total(np.ones(len(evaluation.y))))
