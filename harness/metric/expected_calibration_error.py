"""Expected calibration error."""

from __future__ import annotations

import numpy as np

from harness.core.arrays import Doubles
from harness.core.evaluation import Evaluation
from harness.metric.base import Metric, ratio
from harness.metric.shared.weights import BootstrapWeights
from harness.settings.annotated_types import Count


class ExpectedCalibrationError(Metric):
    """Mean over equal-width bins of |mean probability - share of positives|, by wells (Naeini et al. 2015, AAAI).

    Parameters
    ----------
    n_bins : number of bins on [0, 1]. The value depends on it: compare only at the same number.
    """

    name = "expected_calibration_error"
    better = "lower"
    bounds = (0.0, 1.0)
    needs_both_classes = False

    def __init__(self, *, n_bins: Count = 10) -> None:
        self.n_bins = n_bins

    def values(self, evaluation: Evaluation, weight: BootstrapWeights) -> Doubles:
        number = np.minimum((evaluation.score * self.n_bins).astype(int), self.n_bins - 1)
        in_bin = (number[:, None] == np.arange(self.n_bins)).astype(np.float64)
        gap = weight.total(in_bin * (evaluation.score - evaluation.y)[:, None])
        return ratio(np.abs(gap).sum(axis=1), weight.total(np.ones(len(evaluation.y))))
