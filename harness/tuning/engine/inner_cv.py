"""Folds inside the training wells, and the value of a model on them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from harness.core.arrays import Mask
from harness.core.evaluation import Split
from harness.core.exceptions import InputError, NotApplicable
from harness.core.profiles import Profiles
from harness.core.task import Task
from harness.metric.base import Metric
from harness.scoring.evaluate import evaluate_groups
from harness.split.base import deal_into_folds, hold_out, separate_compounds
from harness.tuning.base import TuningRequest


def inner_folds(request: TuningRequest, most: int) -> list[Split]:
    """Return folds over the training wells that hold out whole batches, or plates if only one batch is left.

    One group of wells each, or ``most`` folds of several groups where there are more.

    Raises
    ------
    NotApplicable : one plate only, or no fold has both classes on both sides.
    """
    wells = request.training.wells
    column = "batch" if len(pd.unique(wells["batch"])) > 1 else "plate"
    names = list(pd.unique(wells[column]))
    if len(names) < 2:
        raise NotApplicable("the training wells lie on one plate: no inner folds")
    groups = {str(name): [name] for name in names}
    if len(names) > most:
        groups = deal_into_folds(names, most, request.seed, "inner folds", request.fold)
    folds = hold_out(wells, column, groups)
    if request.compound_disjoint:
        folds = (separate_compounds(fold, wells, request.seed) for fold in folds)
    usable = [fold for fold in folds if _usable(request.task, wells, fold)]
    if not usable:
        raise NotApplicable(f"no inner fold by {column} has both classes on both sides")
    return usable


def _usable(task: Task, wells: pd.DataFrame, fold: Split) -> bool:
    """Return whether the task accepts the fold and some label has both classes on both sides."""
    try:
        task.check(wells, fold)
    except InputError:
        return False
    labels = task.labels(wells).reshape(len(wells), -1)

    def both(rows: Mask) -> Mask:
        both_classes: Mask = (labels[rows] == 1).any(axis=0) & (labels[rows] == 0).any(axis=0)
        return both_classes

    return bool((both(fold.train) & both(fold.test)).any())


@dataclass(frozen=True)
class InnerCVObjective:
    """The value of a model: a metric, averaged over inner folds (and over the labels of a task that has several).

    The normalization is not fitted again for inner folds: its statistics are those of the outer fold's training
    rows (or of its own plate or batch). No held-out row of the outer fold is in ``profiles``, so none enters; the
    inner validation wells may have entered, as they do for every model and every normalization alike.
    """

    profiles: Profiles
    folds: list[Split]
    task: Task
    metric: Metric
    seed: int

    def partial_means(self, model: Any) -> Iterator[float]:
        """Yield the mean over the inner folds so far, after each.

        Raises
        ------
        NotApplicable : the metric is undefined for this model's predictions.
        """
        values: list[float] = []
        for fold in self.folds:
            values.append(self._value(model, fold))
            yield float(np.mean(values))

    def _value(self, model: Any, fold: Split) -> float:
        """Return the mean over the labels that the metric is defined for."""
        evaluated = evaluate_groups(self.profiles, fold, self.task, model, seed=self.seed)
        values, reason = [], ""
        for evaluation in evaluated.evaluations:
            try:
                values.append(self.metric(evaluation))
            except NotApplicable as undefined:
                reason = undefined.reason
        if not values:
            raise NotApplicable(reason)
        return float(np.mean(values))
