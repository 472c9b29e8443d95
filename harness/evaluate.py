"""Train on some wells, predict others: one model on one fold."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.utils.class_weight import compute_class_weight

from harness.aggregate import expand
from harness.types import Doubles, Evaluation, Profiles, Split


class Task(Protocol):
    """What is predicted: ``labels(wells)`` is 1, 0 or NaN (no part); ``check`` refuses a fold that cannot work."""

    name: str

    def labels(self, wells: pd.DataFrame) -> Doubles: ...

    def check(self, wells: pd.DataFrame, split: Split) -> None: ...


def evaluate(profiles: Profiles, split: Split, task: Task, model: Any, *, seed: int = 0) -> Evaluation:
    """Fit a clone of ``model`` on the training wells of ``split`` and predict the held-out ones.

    Parameters
    ----------
    profiles : normalized profiles, (n, n_features), one row per well (or site).
    split : masks over the wells of ``profiles``.
    model : scikit-learn classifier or pipeline with ``predict_proba``. One with ``reads_profiles = True`` is given
        profiles instead of arrays (the trivial baselines). Its ``class_weight``, if any, is undone in the
        probabilities by the change-of-priors formula (Elkan 2001, IJCAI), so that they refer to the training set's
        class frequencies.
    seed : from which resamples of the evaluation are derived.

    Returns
    -------
    Evaluation : its threshold is the training base rate, i.e. a posterior above the prior: the best rule for balanced
        accuracy, set on training wells only and equal to 0.5 on the class-balanced scale.

    Raises
    ------
    InputError : a fold without both classes on both sides.
    """
    task.check(profiles.wells, Split(split.name, *(expand(m, profiles.wells) for m in (split.train, split.test))))
    y = task.labels(profiles.wells)
    known = ~np.isnan(y)
    train = expand(split.train, profiles.wells) & known
    test = expand(split.test, profiles.wells) & known
    fitted = clone(model).fit(_inputs(model, profiles, train), y[train].astype(np.int8))
    probability = fitted.predict_proba(_inputs(model, profiles, test))[:, 1].astype(np.float64)
    return Evaluation(
        y=y[test].astype(np.int8),
        score=_undo_class_weight(probability, fitted, y[train]),
        threshold=float(y[train].mean()),
        wells=profiles.wells[test].reset_index(drop=True),
        split=split,
        seed=seed,
    )


def _inputs(model: Any, profiles: Profiles, rows: np.ndarray[Any, np.dtype[np.bool_]]) -> Any:
    return profiles.take(rows) if getattr(model, "reads_profiles", False) else profiles.X[rows]


def _undo_class_weight(probability: Doubles, fitted: Any, y: Doubles) -> Doubles:
    """Probabilities on the training set's class frequencies, from a model trained with weighted classes."""
    classifier = fitted[-1] if hasattr(fitted, "steps") else fitted
    weight = compute_class_weight(getattr(classifier, "class_weight", None), classes=np.array([0, 1]), y=y.astype(int))
    positive, negative = probability / weight[1], (1 - probability) / weight[0]
    return np.asarray(positive / (positive + negative), dtype=np.float64)
