from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from assays import assay_screen
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.feature_selection import SelectFromModel, SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from harness.baseline.position import Position
from harness.baseline.prior import Prior
from harness.baseline.row_norm import RowNorm
from harness.core.profiles import Profiles
from harness.model.encode import Encoded
from harness.model.shared_transform import FullPipelineLearner, SharedTransformLearner, make_learner, supervised

LOGISTIC = LogisticRegression(C=0.1, class_weight="balanced", max_iter=2000)
FITS: list[int] = []


class Counted(TransformerMixin, BaseEstimator):
    """Centres, and notes how many rows it was fitted on."""

    def fit(self, X: Any, y: Any = None) -> Counted:
        FITS.append(len(X))
        assert y is None
        self.mean_ = X.mean(axis=0)
        return self

    def transform(self, X: Any) -> Any:
        return X - self.mean_


class Untagged:
    """A transformer that does not say whether it needs labels."""

    def fit(self, X: Any, y: Any = None) -> Untagged:  # noqa: ARG002
        return self

    def transform(self, X: Any) -> Any:
        return X


def sides(profiles: Profiles) -> tuple[Any, Any]:
    test = (profiles.wells["batch"] == "b2").to_numpy()
    return ~test, test


def test_steps_before_the_last_are_fitted_once_on_all_training_wells_that_hold_cells() -> None:
    profiles, task = assay_screen()
    role = profiles.wells["role"].to_numpy(object).copy()
    role[np.flatnonzero(role == "negcon")[:5]] = "empty"
    profiles = profiles.replace(wells=profiles.wells.assign(role=role))
    train, test = sides(profiles)
    Y = task.labels(profiles.wells)
    FITS.clear()
    learner = make_learner(make_pipeline(Counted(), LOGISTIC), profiles, train, test, ~np.isnan(Y).all(axis=1))
    for y in Y.T[:3]:
        known = ~np.isnan(y)
        learner.predict(train & known, y[train & known].astype(np.int8), test & known)
    assert [int((train & (role != "empty")).sum())] == FITS


@pytest.mark.parametrize("model", [make_pipeline(StandardScaler(), LOGISTIC), Encoded(model=LOGISTIC, by="batch")])
def test_a_shared_prediction_is_that_of_the_classifier_on_wells_scaled_by_hand(model: Any) -> None:
    profiles, task = assay_screen()
    train, test = sides(profiles)
    Y = task.labels(profiles.wells)
    learner = make_learner(model, profiles, train, test, ~np.isnan(Y).all(axis=1))
    assert isinstance(learner, SharedTransformLearner)
    y = Y[:, 0]
    a, b = train & ~np.isnan(y), test & ~np.isnan(y)
    X = profiles.X.astype(np.float64)
    if isinstance(model, Encoded):
        share_of = {name: np.mean(profiles.wells["batch"][train] == name) for name in ("b0", "b1", "b3")}
        own = [(profiles.wells["batch"] == n).to_numpy() / np.sqrt(s * (1 - s)) for n, s in share_of.items()]
        X = np.column_stack([X, *own]).astype(np.float32)
    else:
        X = (X - X[train].mean(axis=0)) / X[train].std(axis=0)
    expected = LOGISTIC.fit(X[a], y[a]).predict_proba(X[b])[:, 1]
    np.testing.assert_allclose(learner.predict(a, y[a].astype(np.int8), b)[0], expected, atol=2e-3)


def test_sharing_changes_nothing_where_every_training_well_is_labelled() -> None:
    profiles, _ = assay_screen(missing=0)
    train, test = sides(profiles)
    y = (profiles.wells["role"] == "treated").to_numpy().astype(np.int8)
    everything = np.ones(len(y), dtype=bool)
    for model in (make_pipeline(StandardScaler(), PCA(4), LOGISTIC), Position(), Prior(), RowNorm()):
        wells = profiles.wells.assign(row=1, column=profiles.wells["well"].str[1:].astype(int))
        screen = profiles.replace(wells=wells)
        one, other = make_learner(model, screen, train, test, everything), FullPipelineLearner(model, screen)
        assert isinstance(one, SharedTransformLearner)
        np.testing.assert_allclose(one.predict(train, y[train], test)[0], other.predict(train, y[train], test)[0])


@pytest.mark.parametrize(
    ("step", "needs"),
    [
        (StandardScaler(), False),
        (PCA(3), False),
        (Counted(), False),
        (SelectKBest(k=3), True),
        (LinearDiscriminantAnalysis(), True),
        (SelectFromModel(LOGISTIC), True),
        (make_pipeline(StandardScaler(), SelectKBest(k=3)), True),
        (Untagged(), True),
        ("passthrough", False),
    ],
)
def test_a_step_that_needs_labels_or_does_not_say_is_not_shared(step: Any, needs: bool) -> None:
    profiles, _ = assay_screen()
    train, test = sides(profiles)
    model = make_pipeline(step, LOGISTIC)
    assert supervised(model) is needs
    assert isinstance(
        make_learner(model, profiles, train, test, train | test),
        FullPipelineLearner if needs else SharedTransformLearner,
    )
    assert isinstance(
        make_learner(Encoded(model=model, by="batch"), profiles, train, test, train),
        FullPipelineLearner if needs else SharedTransformLearner,
    )


def test_a_classifier_alone_has_nothing_to_share() -> None:
    profiles, _ = assay_screen()
    train, test = sides(profiles)
    for model in (LOGISTIC, make_pipeline(LOGISTIC)):
        assert isinstance(make_learner(model, profiles, train, test, train | test), FullPipelineLearner)
