"""The part of a model that no label changes: computed once per fold for all labels of a task.

Scaling and projection do not depend on the assay. Binning for LightGBM would not either, but it is not shared: bins of
all training wells make trees on a few hundred labelled ones slower, because each split is sought among more bins
(1,024 features, CPU seconds per fit, own bins against ``Dataset.subset``: 200 rows 0.43 and 0.98, 850 rows 2.7 and 3.0;
own binning takes 0.04 and 0.19 of them; ``experiments/assay_activity/speed.py --binning``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags

from harness.core.arrays import Doubles, Mask
from harness.core.profile_model import ProfileModel, reads_profiles, select_wells
from harness.core.profiles import Profiles
from harness.model.fold_pca import FoldPCA


class Learner(Protocol):
    """An estimator that predicts held-out rows for one label after another."""

    def predict(self, train: Mask, y: NDArray[np.int8], test: Mask) -> tuple[Doubles, Any]:
        """Fit to the rows of ``train`` with classes ``y`` and predict those of ``test``.

        Masks over all rows of the profiles. Returns probabilities of class 1, (n_test,), and the fitted classifier.
        """


@dataclass(frozen=True)
class FullPipelineLearner:
    """A learner that fits the whole model for every label."""

    model: Any
    profiles: Profiles

    def predict(self, train: Mask, y: NDArray[np.int8], test: Mask) -> tuple[Doubles, Any]:
        fitted = clone(self.model).fit(self._inputs(train), y)
        return np.asarray(fitted.predict_proba(self._inputs(test))[:, 1], dtype=np.float64), fitted

    def _inputs(self, rows: Mask) -> Any:
        return select_wells(self.model, self.profiles, rows) if reads_profiles(self.model) else self.profiles.X[rows]


@dataclass(frozen=True)
class TransformedRows:
    """Wells of one side of a fold as the classifier sees them: ``rows`` (n,) ascending, ``Z`` (n, m)."""

    rows: NDArray[np.intp]
    Z: Any

    def select(self, rows: Mask) -> Any:
        return self.Z[np.searchsorted(self.rows, np.flatnonzero(rows))]


@dataclass(frozen=True)
class SharedTransformLearner:
    """A learner that fits the classifier alone for every label, on wells that were transformed once."""

    classifier: Any
    train: TransformedRows
    test: TransformedRows

    def predict(self, train: Mask, y: NDArray[np.int8], test: Mask) -> tuple[Doubles, Any]:
        fitted = clone(self.classifier).fit(self.train.select(train), y)
        return np.asarray(fitted.predict_proba(self.test.select(test))[:, 1], dtype=np.float64), fitted


def projected(model: Any, folds: FoldPCA | None, train: Mask, used: Mask) -> SharedTransformLearner | None:
    """Return the classifier on components that the folds share; None if they do not apply (:class:`FoldPCA`)."""
    if folds is None or not folds.applies(model) or (Z := folds.components(model, train, used)) is None:
        return None
    every = TransformedRows(np.arange(len(Z)), Z)
    return SharedTransformLearner(model[-1], every, every)


def make_learner(
    model: Any, profiles: Profiles, train: Mask, test: Mask, labelled: Mask, folds: FoldPCA | None = None
) -> Learner:
    """Return the learner that predicts one label after another of the same fold.

    Parameters
    ----------
    model : classifier or pipeline. The steps of a pipeline before its last are fitted once, without labels, on all
        training wells that are not empty, labelled or not: unlabelled wells show scales and directions as well,
        and there are more of them. A model that reads profiles is shared where it offers
        ``shared(profiles) -> (transform, classifier)``, with profiles of all wells of a side. One with a step that
        needs labels (:func:`supervised`) is fitted as a whole for every label, as is one that offers nothing.
    train, test, labelled : masks (n_rows,); the wells to predict from and on are those that are also ``labelled``.
    folds : what the folds of these profiles share, where there are several.
    """
    used = ~profiles.facts.has_role("empty") | labelled
    train, test = train & used, test & used
    if (shared := projected(model, folds, train, used)) is not None:
        return shared
    if reads_profiles(model):
        parts = model.shared(model.select(profiles, train)) if isinstance(model, ProfileModel) else None
        if parts is None:
            return FullPipelineLearner(model, profiles)
        transform, classifier = parts
        return SharedTransformLearner(
            classifier,
            *(TransformedRows(np.flatnonzero(m), transform(model.select(profiles, m))) for m in (train, test)),
        )
    if not isinstance(model, Pipeline) or len(model) == 1 or supervised(model):
        return FullPipelineLearner(model, profiles)
    steps = clone(model[:-1]).fit(profiles.X[train])
    sides = (
        TransformedRows(np.flatnonzero(m), steps.transform(profiles.X[m])) for m in (train & labelled, test & labelled)
    )
    return SharedTransformLearner(model[-1], *sides)


def supervised(model: Any) -> bool:
    """Return whether a step before the last needs labels, or holds something that does, or lacks scikit-learn tags.

    A step that uses labels only if it receives some counts as unsupervised, and receives none.
    """
    steps = [step for _, step in model.steps[:-1] if hasattr(step, "fit")] if isinstance(model, Pipeline) else []
    nested = [part for step in steps if hasattr(step, "get_params") for part in step.get_params(deep=True).values()]
    parts = [*steps, *(part for part in nested if hasattr(part, "fit") and not isinstance(part, type))]
    return any(_needs_labels(part) for part in parts)


def _needs_labels(part: Any) -> bool:
    """Return whether a step needs labels; univariate selections may, whatever their tags (by their score function)."""
    if not hasattr(part, "__sklearn_tags__") or hasattr(part, "score_func"):
        return True
    return bool(get_tags(part).target_tags.required)
