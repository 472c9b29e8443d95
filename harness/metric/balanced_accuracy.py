"""Balanced accuracy."""

from __future__ import annotations

from harness.core.arrays import Doubles
from harness.core.evaluation import Evaluation
from harness.metric.base import Metric, confusion, ratio
from harness.metric.shared.weights import BootstrapWeights


class BalancedAccuracy(Metric):
    """Mean of sensitivity and specificity at the threshold set on training data (Brodersen et al. 2010, ICPR).

    Unlike AUROC it drops when a held-out batch is shifted as a whole.
    """

    name = "balanced_accuracy"
    better = "higher"
    bounds = (0.0, 1.0)

    def values(self, evaluation: Evaluation, weight: BootstrapWeights) -> Doubles:
        tp, fp, fn, tn = confusion(evaluation, weight)
        return (ratio(tp, tp + fn) + ratio(tn, tn + fp)) / 2
