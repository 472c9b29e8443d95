"""Train on some wells, predict others: one model on one fold, for a task's one label or for each of its many."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils.class_weight import compute_class_weight

from harness.core.arrays import Doubles, Mask
from harness.core.evaluation import Evaluation, Split
from harness.core.exceptions import InputError
from harness.core.profiles import Profiles
from harness.core.task import Task as Task
from harness.core.task import grouped as grouped
from harness.data.wells.aggregation import expand
from harness.model.fold_pca import FoldPCA
from harness.model.shared_transform import FullPipelineLearner, Learner, make_learner, projected


@dataclass(frozen=True)
class Evaluated:
    """Evaluations of one model on one fold, one per group; ``declined``: why the other groups have none."""

    evaluations: list[Evaluation]
    declined: dict[str, str] = field(default_factory=dict)


def evaluate(
    profiles: Profiles, split: Split, task: Task, model: Any, *, seed: int = 0, folds: FoldPCA | None = None
) -> Evaluation:
    """Fit a clone of ``model`` on the training wells of ``split`` and predict the held-out ones, for a single label.

    Parameters
    ----------
    profiles : normalized profiles, (n, n_features), one row per well (or site).
    split : masks over the wells of ``profiles``.
    model : scikit-learn classifier or pipeline with ``predict_proba``. One with ``reads_profiles = True`` receives
        profiles instead of arrays (:class:`harness.core.profile_model.ProfileModel`). Its ``class_weight``, if any, is
        undone in the probabilities by the change-of-priors formula (Elkan 2001, IJCAI), so that they refer to the
        training set's class frequencies.
    seed : from which resamples of the evaluation are derived.
    folds : what all folds of ``profiles`` share, where several are evaluated: saves time for wide profiles.

    Returns
    -------
    Evaluation : its threshold is the training base rate, i.e. a posterior above the prior: the best rule for balanced
        accuracy, set on training wells only and equal to 0.5 on the class-balanced scale.

    Raises
    ------
    InputError : a fold without both classes on both sides.
    """
    fold = _rows(profiles, split, task)
    y = task.labels(profiles.wells)
    labelled = ~np.isnan(y)
    train, test = fold.train & labelled, fold.test & labelled
    learner = projected(model, folds, train, labelled) or FullPipelineLearner(model, profiles)
    score, threshold = _learn(learner, train, test, y)
    held_out = _held_out(profiles.wells, np.flatnonzero(test), y)
    return Evaluation(**held_out, score=score, threshold=threshold, split=split, seed=seed)


def evaluate_groups(
    profiles: Profiles,
    split: Split,
    task: Task,
    model: Any,
    *,
    seed: int = 0,
    folds: FoldPCA | None = None,
    each: Callable[[str], None] | None = None,
) -> Evaluated:
    """Fit a clone of ``model`` for each group of ``task`` on its labelled training wells and predict the held-out ones.

    As :func:`evaluate` for every group, except that what the group does not change is computed on all training
    wells (:func:`harness.model.shared_transform.make_learner`), and that predictions are averaged to compounds where
    those are the task's unit. In training every well counts. A task with one label is evaluated by :func:`evaluate`.

    Parameters
    ----------
    folds : as for :func:`evaluate`.
    each : called with the name of every group when it is done.

    Returns
    -------
    Evaluated : a group that lacks a class among its training wells, or has no labelled held-out well, has a reason in
        place of an evaluation. One with a single class among its held-out compounds is evaluated: metrics that need
        both say so.

    Raises
    ------
    InputError : the task refuses the fold, or needs compounds and there is no such column.
    NotApplicable : the model has no meaning for these profiles.
    """
    if not grouped(task):
        one = Evaluated([evaluate(profiles, split, task, model, seed=seed, folds=folds)])
        if each is not None:
            each("")
        return one
    _require_unit(profiles.wells, task)
    fold = _rows(profiles, split, task)
    labels = task.labels(profiles.wells)
    labelled: Mask = np.asarray(~np.isnan(labels).all(axis=1), dtype=bool)
    learner = make_learner(model, profiles, fold.train, fold.test, labelled, folds)
    done = Evaluated([])
    for group, y in zip(task.groups, labels.T, strict=True):
        has_label = ~np.isnan(y)
        train, test = fold.train & has_label, fold.test & has_label
        if reason := _why_not(y[train], y[test]):
            done.declined[group] = reason
        else:
            score, threshold = _learn(learner, train, test, y)
            first, score = _by_unit(profiles.wells[test], score, task.unit)
            rows = np.flatnonzero(test)[first]
            held_out = _held_out(profiles.wells, rows, y)
            done.evaluations.append(
                Evaluation(
                    **held_out, score=score, threshold=threshold, split=split, seed=seed, group=group, unit=task.unit
                )
            )
        if each is not None:
            each(group)
    return done


def _require_unit(wells: pd.DataFrame, task: Task) -> None:
    """Refuse wells without the column that the task's predictions are averaged over."""
    if task.unit not in wells:
        raise InputError(
            f"task {task.name}: no column `{task.unit}`; found {list(wells)}: map it with data.columns.{task.unit}"
        )


def _held_out(wells: pd.DataFrame, rows: NDArray[np.intp], y: Doubles) -> dict[str, Any]:
    """Return classes, wells and row numbers of the rows that are scored."""
    return {"y": y[rows].astype(np.int8), "wells": wells.iloc[rows].reset_index(drop=True), "rows": rows}


def _rows(profiles: Profiles, split: Split, task: Task) -> Split:
    """Return the fold as masks over rows, once the task has accepted it."""
    fold = Split(split.name, *(expand(mask, profiles.wells) for mask in (split.train, split.test)))
    task.check(profiles.wells, fold)
    return fold


def _why_not(train: Doubles, test: Doubles) -> str:
    """Return why a label cannot be learned or has nothing to predict; empty if it can."""
    if len(train) == 0:
        return "no labelled training wells"
    if train.min() == train.max():
        return f"only class {train[0]:.0f} among {len(train)} training wells"
    return "" if len(test) else "no labelled held-out wells"


def _learn(learner: Learner, train: Mask, test: Mask, y: Doubles) -> tuple[Doubles, float]:
    """Return probabilities of the held-out rows on the training rows' class frequencies, and their threshold."""
    probability, fitted = learner.predict(train, y[train].astype(np.int8), test)
    return _undo_class_weight(probability, fitted, y[train]), float(y[train].mean())


def _by_unit(wells: pd.DataFrame, score: Doubles, unit: str) -> tuple[NDArray[np.intp], Doubles]:
    """Return the first row of every compound of a batch and its mean score; all rows if wells are scored."""
    if unit == "plate":
        return np.arange(len(wells)), score
    number = wells.groupby(["batch", unit], sort=False).ngroup().to_numpy()
    return np.unique(number, return_index=True)[1], np.bincount(number, score) / np.bincount(number)


def _undo_class_weight(probability: Doubles, fitted: Any, y: Doubles) -> Doubles:
    """Return probabilities on the training set's class frequencies, from a model trained with weighted classes."""
    classifier = fitted[-1] if hasattr(fitted, "steps") else fitted
    weight = compute_class_weight(getattr(classifier, "class_weight", None), classes=np.array([0, 1]), y=y.astype(int))
    positive, negative = probability / weight[1], (1 - probability) / weight[0]
    return np.asarray(positive / (positive + negative), dtype=np.float64)
