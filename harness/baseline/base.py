"""Trivial baselines: models that see no image, as a level that a score must exceed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer, make_column_selector, make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from harness.core.arrays import Doubles
from harness.core.exceptions import NotApplicable
from harness.core.profile_model import ProfileModel
from harness.core.profiles import Profiles


class Baseline(ProfileModel):
    """Logistic regression on a few columns made from profiles by :meth:`design`.

    Text columns are one-hot encoded (unseen levels count as none), numbers standardized on training rows.
    ``needs``: facts of a screen (:mod:`harness.inspect.facts`) without which it knows nothing.
    ``reads_plates``: whether :meth:`design` reads features, plate by plate; else it receives the wells alone.
    """

    reads_features = False
    class_weight = "balanced"
    needs: ClassVar[tuple[str, ...]] = ()

    def design(self, profiles: Profiles) -> pd.DataFrame:
        """Return the columns that the baseline may see, (n_rows, few).

        Raises
        ------
        NotApplicable : the data do not have them.
        """
        raise NotImplementedError

    def fit(self, profiles: Profiles, y: NDArray[np.int8]) -> Self:
        self.pipeline_ = make_pipeline(self._columns(), self._classifier())
        self.pipeline_.fit(self.design(profiles), y)
        self.classes_ = self.pipeline_.classes_
        return self

    def shared(self, profiles: Profiles) -> tuple[Callable[[Profiles], Any], LogisticRegression]:
        """Return the transform that no label changes, fitted on training wells, and the classifier for each label."""
        columns = self._columns().fit(self.design(profiles))
        return lambda wells: columns.transform(self.design(wells)), self._classifier()

    def _columns(self) -> ColumnTransformer:
        return make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_exclude="number")),
            (StandardScaler(), make_column_selector(dtype_include="number")),
        )

    def _classifier(self) -> LogisticRegression:
        return LogisticRegression(class_weight="balanced", max_iter=1000)

    def predict_proba(self, profiles: Profiles) -> Doubles:
        """Return (n_rows, 2) class probabilities on the class-balanced scale."""
        return np.asarray(self.pipeline_.predict_proba(self.design(profiles)), dtype=np.float64)


def column(profiles: Profiles, name: str) -> Any:
    """Return a column of the wells table without missing values; NotApplicable if there is none."""
    if name not in profiles.wells or profiles.wells[name].isna().any():
        raise NotApplicable(f"no complete column `{name}`")
    return profiles.wells[name]
