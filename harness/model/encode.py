"""Batch or plate as one-hot features of a model, in addition to those of the images."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from harness.core.arrays import Doubles, Floats
from harness.core.evaluation import Split
from harness.core.exceptions import InputError
from harness.core.profile_model import ProfileModel
from harness.core.profiles import Profiles
from harness.model.shared_transform import supervised

COLUMNS = ("batch", "plate")


class Encoded(ProfileModel):
    """A classifier that sees one column per level of ``by`` that its training wells have; unseen levels are all 0.

    The columns join the features in front of a pipeline's last step, so that no projection drops them, and are divided
    by their sd over the training wells, so that a penalty treats them like standardized features; they are not centred:
    zero stays zero. A held-out batch has no column: under leave_batch_out a model knows no more about it than that it
    is none of those it was trained on.

    Parameters
    ----------
    model : scikit-learn classifier or pipeline.
    by : ``batch`` or ``plate``.
    """

    def __init__(self, *, model: Any, by: str) -> None:
        self.model = model
        self.by = by

    def fit(self, profiles: Profiles, y: NDArray[np.int8]) -> Self:
        self._learn(profiles, y)
        self.classifier_ = self._classifier().fit(self.design(profiles), y)
        self.classes_ = self.classifier_.classes_
        return self

    def shared(self, profiles: Profiles) -> tuple[Callable[[Profiles], Floats], Any] | None:
        """Return the transform that no label changes, fitted on training wells, and the classifier for each label."""
        return None if supervised(self.model) else (clone(self)._learn(profiles, None).design, self._classifier())

    def _learn(self, profiles: Profiles, y: NDArray[np.int8] | None) -> Self:
        share = profiles.wells[self.by].astype(str).value_counts(normalize=True).sort_index()
        self.levels_ = list(share.index)
        sd = np.sqrt(share.to_numpy() * (1 - share.to_numpy()))
        self.height_ = np.divide(1, sd, out=np.ones(len(sd)), where=sd > 0)  # the value that represents 1
        self.features_ = clone(self.model[:-1]).fit(profiles.X, y) if self._has_steps else None
        return self

    @property
    def _has_steps(self) -> bool:
        return isinstance(self.model, Pipeline) and len(self.model) > 1

    def _classifier(self) -> Any:
        return clone(self.model[-1] if self._has_steps else self.model)

    def predict_proba(self, profiles: Profiles) -> Doubles:
        """Return (n_rows, 2) class probabilities of the model."""
        return np.asarray(self.classifier_.predict_proba(self.design(profiles)), dtype=np.float64)

    def design(self, profiles: Profiles) -> Floats:
        """Return the features that the last step sees, and one column per training level: (n_rows, n + n_levels)."""
        X = profiles.X if self.features_ is None else self.features_.transform(profiles.X)
        level = pd.Index(self.levels_).get_indexer(pd.Index(profiles.wells[self.by].astype(str)))
        columns = np.vstack([np.diag(self.height_), np.zeros(len(self.levels_))])[level]  # unseen: -1, the row of zeros
        return np.hstack([X, columns], dtype=np.float32)

    @property
    def class_weight(self) -> Any:
        """The classifier's own class weight, which the evaluation undoes."""
        return getattr(self.model[-1] if isinstance(self.model, Pipeline) else self.model, "class_weight", None)


def check_encode(by: str | None) -> None:
    """Refuse an unknown column (InputError lists the allowed ones)."""
    if by is not None and by not in COLUMNS:
        raise InputError(f"model.encode={by}: expected one of {', '.join(COLUMNS)}, or null for none")


def encoded(models: Mapping[str, Any], by: str | None) -> dict[str, Any]:
    """Return the models, each with the levels of ``by`` as features; unchanged if ``by`` is None."""
    return {name: model if by is None else Encoded(model=model, by=by) for name, model in models.items()}


def unseen(wells: pd.DataFrame, splits: Sequence[Split], by: str) -> tuple[list[str], float]:
    """Return the held-out levels without a training well in their fold, and their share in all held-out wells."""
    level = wells[by].astype(str)
    strange = [level[s.test & ~level.isin(level[s.train].unique()).to_numpy()] for s in splits]
    names = pd.concat(strange)
    return sorted(names.unique()), len(names) / sum(int(s.test.sum()) for s in splits)


def warn_unseen(wells: pd.DataFrame, splits: Sequence[Split], by: str) -> dict[str, float]:
    """Warn of held-out levels that a model cannot know, and return the metric of their share."""
    names, share = unseen(wells, splits, by)
    if names:
        preview = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        warnings.warn(
            f"model.encode={by}: held-out {by} {preview} unseen in training: its columns are zero", stacklevel=2
        )
    return {f"encode/unseen_{by}_share": share}
