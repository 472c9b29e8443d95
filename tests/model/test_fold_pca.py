from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

import harness.model.fold_pca
from harness.core.arrays import Floats, Mask
from harness.core.evaluation import Split
from harness.core.profiles import Profiles
from harness.model.fold_pca import FoldPCA, fold_pca_factory
from harness.model.partition_moments import FoldPartitionMoments
from harness.model.pipeline import pipeline
from harness.model.projection import Projection
from harness.scoring.evaluate import evaluate
from harness.split.leave_batch_out import LeaveBatchOut
from harness.split.random_wells import RandomWells
from harness.task.dmso_vs_treated import DmsoVsTreated

N_PLATES, N_WELLS, G, K = 9, 30, 24, 5
MODEL = pipeline(
    scale=StandardScaler(),
    project=Projection(n_components=K, above=G - 1),
    classifier=LogisticRegression(C=0.1, class_weight="balanced"),
)


@pytest.fixture(scope="module")
def screen() -> Profiles:
    """Three batches of unequal size far from the origin, with K strong directions and a constant feature."""
    rng = np.random.default_rng(3)
    plate = np.repeat(np.arange(N_PLATES), N_WELLS)
    batch = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2])[plate]
    role = np.where(np.tile(np.arange(N_WELLS) % 3, N_PLATES) == 0, "negcon", "treated")
    role[:4] = "empty"
    latent = rng.normal(size=(len(plate), K)) * [9, 7, 5, 4, 3]
    latent[:, 0] += 4 * (role == "treated")
    X = latent @ rng.normal(size=(K, G)) + 0.05 * rng.normal(size=(len(plate), G)) + batch[:, None] * 3 + 700
    X *= rng.uniform(0.1, 40, G)
    X[:, 7] = 12.5
    wells = pd.DataFrame(
        {
            "plate": [f"p{p}" for p in plate],
            "well": [f"A{i:02d}" for i in np.tile(np.arange(N_WELLS), N_PLATES)],
            "batch": [f"b{b}" for b in batch],
            "role": role,
        }
    )
    return Profiles(X.astype(np.float32), wells)


@pytest.fixture(scope="module")
def splits(screen: Profiles) -> list[Split]:
    return list(LeaveBatchOut().split(screen.wells))


def labelled(screen: Profiles) -> Mask:
    return ~np.isnan(DmsoVsTreated().labels(screen.wells))


def by_hand(X: Floats, train: Mask) -> Any:
    """Exact principal components of standardized training rows, in float64."""
    scaler = StandardScaler().fit(X[train].astype(np.float64))
    pca = PCA(K, svd_solver="full").fit(scaler.transform(X[train].astype(np.float64)))
    return pca.transform(scaler.transform(X.astype(np.float64)))


@pytest.mark.parametrize("splitter", [LeaveBatchOut(), RandomWells()])
def test_components_are_those_of_a_fit_of_the_fold_alone(screen: Profiles, splitter: Any) -> None:
    used = labelled(screen)
    folds = list(splitter.split(screen.wells))
    shared = FoldPCA(screen, folds)
    assert shared.applies(MODEL)
    for split in folds:
        Z = shared.components(MODEL, split.train & used, used)
        assert Z is not None
        expected = by_hand(screen.X, split.train & used)
        signs = np.sign((Z * expected).sum(axis=0))
        np.testing.assert_allclose(Z * signs, expected, atol=5e-3 * expected.std())


def test_held_out_wells_move_no_component_of_their_fold(screen: Profiles, splits: list[Split]) -> None:
    used = labelled(screen)
    X = screen.X.copy()
    X[splits[0].test] = X[splits[0].test] * 3 + 1000
    a, b = (FoldPCA(p, splits).components(MODEL, splits[0].train & used, used) for p in (screen, screen.replace(X=X)))
    assert a is not None
    assert b is not None
    rows = splits[0].train
    np.testing.assert_allclose(a[rows], b[rows], atol=1e-2 * a.std())
    assert np.abs(a[~rows] - b[~rows]).max() > a.std()


def test_moments_of_a_union_are_exact(screen: Profiles) -> None:
    cell = screen.wells["batch"].map({"b0": 0, "b1": 1, "b2": 2}).to_numpy(np.intp, copy=True)
    cell[:4] = -1
    cells = FoldPartitionMoments(screen.X, cell)
    rows = (cell == 0) | (cell == 2)
    found = cells.for_rows(rows)
    assert found is not None
    X = screen.X[rows].astype(np.float64)
    assert found.n == len(X)
    np.testing.assert_allclose(found.mean, X.mean(axis=0), rtol=1e-12)
    sd = X.std(axis=0)
    assert found.scale[7] == 1
    varying = np.arange(G) != 7
    np.testing.assert_allclose(found.scale[varying], sd[varying], rtol=1e-9)
    expected = np.corrcoef(X[:, varying], rowvar=False)
    np.testing.assert_allclose(found.R[np.ix_(varying, varying)], expected, atol=2e-5)
    assert not found.R[7].any()
    half = rows & (np.arange(len(rows)) % 2 == 0)
    assert cells.for_rows(half) is None
    assert cells.for_rows(np.ones(len(rows), dtype=bool)) is None


def test_a_shared_evaluation_is_that_of_the_pipeline(screen: Profiles, splits: list[Split]) -> None:
    shared = FoldPCA(screen, splits)
    for split in splits:
        one = evaluate(screen, split, DmsoVsTreated(), MODEL)
        other = evaluate(screen, split, DmsoVsTreated(), MODEL, folds=shared)
        np.testing.assert_allclose(other.score, one.score, atol=2e-3)
        assert other.threshold == one.threshold
        pd.testing.assert_frame_equal(other.wells, one.wells)


def test_it_leaves_narrow_profiles_and_other_models_alone(
    screen: Profiles, splits: list[Split], monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = FoldPCA(screen, splits)
    narrow = pipeline(scale=StandardScaler(), project=Projection(above=G), classifier=LogisticRegression())
    assert not shared.applies(narrow)
    assert not shared.applies(LogisticRegression())
    assert not shared.applies(pipeline(scale=StandardScaler(with_mean=False), **dict(MODEL.steps[1:])))
    monkeypatch.setattr(harness.model.fold_pca, "LARGEST", 1.0)
    used = labelled(screen)
    assert shared.components(MODEL, splits[0].train & used, used) is None
    evaluation = evaluate(screen, splits[0], DmsoVsTreated(), MODEL, folds=shared)
    np.testing.assert_array_equal(evaluation.score, evaluate(screen, splits[0], DmsoVsTreated(), MODEL).score)


def test_one_matrix_is_shared_by_its_folds_and_no_other(screen: Profiles, splits: list[Split]) -> None:
    of = fold_pca_factory(lambda _: screen, splits)
    assert of(splits[0]) is of(splits[1])
    fresh = fold_pca_factory(lambda _: screen.replace(), splits)
    assert fresh(splits[0]) is not fresh(splits[1])


def test_a_classifier_comes_last_wherever_it_is_named() -> None:
    made = pipeline(classifier=LogisticRegression(), scale=StandardScaler())
    assert [name for name, _ in made.steps] == ["scale", "classifier"]
