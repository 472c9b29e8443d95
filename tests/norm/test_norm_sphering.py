"""Whitening by training controls against SVD written out by hand, scikit-learn and pycytominer; and its null."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from correlated import auroc_of_norm, correlated_noise, folds, hold_out
from scipy.stats import multivariate_normal
from sklearn.covariance import LedoitWolf
from sklearn.metrics import roc_auc_score

from harness.core.arrays import Doubles, Mask
from harness.core.evaluation import Split
from harness.core.exceptions import InputError
from harness.core.profiles import Profiles
from harness.norm.engine.crossfit import fold_of
from harness.norm.engine.normalize import normalize
from harness.norm.sphering import METHODS, Sphering
from harness.numerics.shrinkage import INTENSITIES, plate_folds


def output(profiles: Profiles, split: Split | None = None, **options: Any) -> Doubles:
    return normalize(profiles, Sphering(**options), split, aggregate="none").X.astype(np.float64)


def controls_of(profiles: Profiles) -> Mask:
    return np.asarray(profiles.wells["role"] == "negcon")


def whitening_by_hand(C: Doubles, method: str, shrinkage: float) -> tuple[Doubles, Doubles, Doubles]:
    """Mean, sd and W (G, G) of z W from controls C (n, G), by the SVD of z."""
    mean = C.mean(axis=0)
    sd = C.std(axis=0, ddof=1) if "cor" in method else np.ones(C.shape[1])
    _, s, Vt = np.linalg.svd((C - mean) / sd, full_matrices=True)
    variance = np.zeros(C.shape[1])
    variance[: len(s)] = s**2 / (len(C) - 1)
    Vt = Vt * np.sign(Vt[np.arange(len(Vt)), np.abs(Vt).argmax(axis=1)])[:, None]
    W = Vt.T / np.sqrt(variance + shrinkage * variance.mean())
    return mean, sd, W @ Vt if "zca" in method else W


def close(got: Doubles, expected: Doubles) -> None:
    """To 2e-4 of the size of each row: what float32 leaves of an ill-conditioned whitening."""
    assert np.abs(got - expected).max(axis=1) == pytest.approx(0, abs=2e-4 * np.abs(expected).max())


@pytest.mark.parametrize("shrinkage", [0.0, 0.3])
@pytest.mark.parametrize("method", METHODS)
def test_the_textbook_form_is_the_one_written_out_by_hand(method: str, shrinkage: float, screen: Any) -> None:
    profiles = screen(awkward=False, sites=(1, 2))
    split = hold_out(profiles, "p7")
    train = controls_of(profiles) & (profiles.wells["plate"] != "p7").to_numpy()
    mean, sd, W = whitening_by_hand(profiles.X[train].astype(np.float64), method, shrinkage)
    got = output(profiles, split, method=method, shrinkage=shrinkage, exchangeable=False)
    close(got, (profiles.X - mean) / sd @ W)
    if shrinkage == 0:
        np.testing.assert_allclose(np.cov(got[train].T), np.eye(got.shape[1]), atol=1e-3)
        np.testing.assert_allclose(got[train].mean(axis=0), 0, atol=1e-3)


@pytest.mark.parametrize("n_features", [12, 150])
@pytest.mark.parametrize("method", ["zca", "zca_cor"])
def test_each_well_is_whitened_by_the_controls_outside_its_fold(method: str, n_features: int, screen: Any) -> None:
    """With 150 features there are fewer rows than features."""
    profiles = screen(awkward=False, sites=(1, 2), n_features=n_features, seed=2)
    split = hold_out(profiles, "p8")
    train = controls_of(profiles) & (profiles.wells["plate"] != "p8").to_numpy()
    fold = np.concatenate([fold_of(p, [], 4, 1) if p.name == "p8" else folds(p, 4, 1) for p in profiles])
    expected = np.empty(profiles.X.shape)
    for f in range(4):
        mean, sd, W = whitening_by_hand(profiles.X[train & (fold != f)].astype(np.float64), method, 0.05)
        expected[fold == f] = (profiles.X[fold == f] - mean) / sd @ W
    close(output(profiles, split, method=method, shrinkage=0.05, n_folds=4, seed=1), expected)


@pytest.mark.parametrize("method", METHODS)
def test_pycytominer_agrees(method: str, screen: Any) -> None:
    operations = pytest.importorskip("pycytominer.operations")
    profiles = screen(awkward=False)
    X = pd.DataFrame(profiles.X.astype(np.float64))
    name = method.upper().replace("_COR", "-cor")
    theirs = operations.Spherize(method=name, epsilon=0).fit(X[controls_of(profiles)]).transform(X).to_numpy()
    ours = output(profiles, method=method, shrinkage=0, exchangeable=False)
    close(ours, theirs * np.sign((ours * theirs).sum(axis=0)))


def test_ledoit_wolf_is_that_of_scikit_learn(screen: Any) -> None:
    for n_features in (9, 200):
        profiles = screen(awkward=False, n_features=n_features)
        C = profiles.X[controls_of(profiles)].astype(np.float64)
        for method, sd in (("zca_cor", C.std(axis=0)), ("zca", 1.0)):
            expected = LedoitWolf().fit((C - C.mean(axis=0)) / sd).shrinkage_
            for exchangeable in (True, False):
                options: dict[str, Any] = {"method": method, "exchangeable": exchangeable, "shrinkage": "ledoit_wolf"}
                assert Sphering(**options).fit(profiles).ridge_ == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("n_features", [8, 90])
def test_auto_is_the_shrinkage_under_which_controls_of_other_plates_are_most_likely(n_features: int) -> None:
    profiles = correlated_noise(4, n_features=n_features, n_plates=6)
    fitted = Sphering(exchangeable=False).fit(profiles)
    codes, k = plate_folds(profiles, lambda plate: np.where(plate.negcon, 0, -1), 1, 0)
    assert k == 3
    fold = np.concatenate([codes(plate) for plate in profiles])
    Z = profiles.X / profiles.X[fold >= 0].std(axis=0, dtype=np.float64)
    scores = np.zeros(len(INTENSITIES))
    for f in range(k):
        train = Z[(fold >= 0) & (fold != f)]
        C = np.cov(train.T)
        for i, a in enumerate(INTENSITIES):
            model = multivariate_normal(train.mean(axis=0), (1 - a) * C + a * np.trace(C) / len(C) * np.eye(len(C)))
            scores[i] += model.logpdf(Z[fold == f]).mean()
    assert fitted.ridge_ == INTENSITIES[scores.argmax()]
    assert 0 < scores.argmax() < len(scores) - 1


@pytest.mark.parametrize("method", ["zca_cor", "pca_cor"])
def test_folds_give_the_same_features(method: str) -> None:
    fitted = Sphering(method=method).fit(correlated_noise(0, k=24, n_features=20))
    for other in fitted.matrix_[1:]:
        cosine = (fitted.matrix_[0] * other).sum(axis=0)
        cosine /= np.linalg.norm(fitted.matrix_[0], axis=0) * np.linalg.norm(other, axis=0)
        assert cosine.min() > 0.9


@pytest.mark.parametrize("method", METHODS)
def test_controls_are_given_away_by_the_textbook_form_only(method: str) -> None:
    """8 plates x 48 wells, 12 controls, 80 correlated features, 4 screens; 3 standard errors are 0.05."""
    screens = [correlated_noise(seed, n_features=80) for seed in range(4)]
    options: dict[str, Any] = {"method": method, "shrinkage": "ledoit_wolf"}
    assert abs(np.mean([auroc_of_norm(s, Sphering(**options)) for s in screens]) - 0.5) < 0.05
    assert np.mean([auroc_of_norm(s, Sphering(**options, exchangeable=False)) for s in screens]) > 0.85


def test_no_axis_gives_controls_away_after_rotation() -> None:
    """On the axes of the controls themselves the last coordinates of controls are near 0, whatever the fold."""
    screens = [correlated_noise(seed, n_features=80) for seed in range(4)]
    found = []
    for screen in screens:
        Z = normalize(screen, Sphering(method="pca_cor", shrinkage=0.1)).X.astype(np.float64)
        found.append(roc_auc_score(~controls_of(screen), (Z[:, 60:] ** 2).sum(axis=1)))
    assert abs(np.mean(found) - 0.5) < 0.05


def test_features_that_do_not_vary_among_controls_are_z_scored_by_all_wells_or_centred(screen: Any) -> None:
    profiles = screen()
    tables: list[pd.DataFrame] = []
    got = normalize(profiles, Sphering(), aggregate="none", report=tables.append).X
    filled = (profiles.wells["role"] != "empty").to_numpy()
    one = profiles.X[:, 1].astype(np.float64)
    np.testing.assert_allclose(got[:, 1], (one - one[filled].mean()) / one[filled].std(), rtol=1e-4, atol=1e-4)
    assert not got[:, 0].any()
    alone = normalize(profiles, Sphering(on_constant="leave"), aggregate="none").X
    np.testing.assert_array_equal(alone[:, 0], profiles.X[:, 0])
    np.testing.assert_array_equal(alone[:, 1:], got[:, 1:])
    assert dict(zip(tables[0]["feature_number"], tables[0]["fallback"], strict=True)) == {
        0: "centred",
        1: "all wells",
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shrinkage": 0}, r"has rank \d+, singular with norm.shrinkage=0; choose a number above 0"),
        ({"method": "cholesky"}, r"method 'cholesky' is unknown; choose one of \['zca', 'zca_cor'"),
        ({"shrinkage": -1}, "shrinkage -1; expected a number >= 0"),
        ({"shrinkage": "best"}, "shrinkage 'best'; expected a number >= 0, 'ledoit_wolf' or 'auto'"),
        ({"n_folds": 1}, "n_folds is 1; expected at least 2"),
    ],
)
def test_what_cannot_work_is_refused(options: dict[str, Any], message: str, screen: Any) -> None:
    with pytest.raises(InputError, match=message):
        output(screen(n_features=200), **options)
