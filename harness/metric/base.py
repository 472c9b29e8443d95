"""Metrics: formulas over weighted wells, so that one formula gives the value and its resamples."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from harness.core.arrays import Doubles
from harness.core.evaluation import Evaluation
from harness.core.exceptions import NotApplicable
from harness.metric.shared.weights import BootstrapWeights


class Metric:
    """A score of held-out predictions.

    A subclass states ``name``, ``better`` (``higher``, ``lower`` or ``neither``) and ``bounds``, and implements
    :meth:`values`. Undefined values are NaN there; :meth:`__call__` turns them into :class:`NotApplicable`.
    """

    name: ClassVar[str] = ""
    better: ClassVar[str]
    bounds: ClassVar[tuple[float, float]]
    needs_both_classes: ClassVar[bool] = True

    def values(self, evaluation: Evaluation, weight: BootstrapWeights) -> Doubles:
        """Return the metric for each of the R weightings of the wells, (R,); NaN where undefined."""
        raise NotImplementedError

    def __call__(self, evaluation: Evaluation) -> float:
        """Return the metric with every well counted once.

        Raises
        ------
        NotApplicable : no rows, or one class only where both are needed.
        """
        y = evaluation.y
        rows = "held-out wells" if evaluation.unit == "plate" else f"held-out {evaluation.unit}s"
        if len(y) == 0:
            raise NotApplicable(f"no {rows}")
        if self.needs_both_classes and y.min() == y.max():
            raise NotApplicable(f"only class {y[0]} among {len(y)} {rows}")
        value = float(self.values(evaluation, BootstrapWeights.once(len(y)))[0])
        if np.isnan(value):
            raise NotApplicable(f"{self.name} is undefined here (0/0)")
        return value


def ratio(numerator: Doubles, denominator: Doubles) -> Doubles:
    """Return numerator / denominator, NaN if the denominator is 0."""
    out = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), np.nan)
    np.divide(numerator, denominator, out=out, where=denominator != 0)
    return out


def confusion(evaluation: Evaluation, weight: BootstrapWeights) -> tuple[Doubles, Doubles, Doubles, Doubles]:
    """Return weighted true positives, false positives, false negatives and true negatives at the threshold, (R,)."""
    positive: NDArray[np.bool_] = evaluation.y == 1
    called: NDArray[np.bool_] = evaluation.score > evaluation.threshold
    cells = np.column_stack([positive & called, ~positive & called, positive & ~called, ~positive & ~called])
    tp, fp, fn, tn = weight.total(cells.astype(np.float64)).T
    return tp, fp, fn, tn
