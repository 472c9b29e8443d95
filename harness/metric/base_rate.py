"""Base rate."""

from __future__ import annotations

import numpy as np

from harness.core.arrays import Doubles
from harness.core.evaluation import Evaluation
from harness.metric.base import Metric, ratio
from harness.metric.shared.weights import BootstrapWeights


class BaseRate(Metric):
    """Share of positives among the held-out wells: the chance level of average precision."""

    name = "base_rate"
    better = "neither"
    bounds = (0.0, 1.0)
    needs_both_classes = False

    def values(self, evaluation: Evaluation, weight: BootstrapWeights) -> Doubles:
        return ratio(weight.total(evaluation.y.astype(float)), weight.total(np.ones(len(evaluation.y))))
