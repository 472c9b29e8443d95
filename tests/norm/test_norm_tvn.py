"""TVN against PCA space written out by hand: distances are the same; and its null."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from correlated import auroc_of_norm, correlated_noise, folds
from scipy.linalg import fractional_matrix_power
from scipy.spatial.distance import pdist
from scipy.stats import multivariate_normal

from harness.core.arrays import Doubles
from harness.core.evaluation import Split
from harness.core.exceptions import InputError
from harness.core.profiles import Profiles
from harness.norm.engine.normalize import normalize
from harness.norm.tvn import Tvn
from harness.numerics.shrinkage import plate_folds


def output(profiles: Profiles, split: Split | None = None, **options: Any) -> Doubles:
    return normalize(profiles, Tvn(**options), split, aggregate="none").X.astype(np.float64)


def in_pca_space(X: Doubles, own: Doubles, reference: Doubles, k: int, shrinkage: float) -> Doubles:
    """Ando et al.: z-score, PCA, z-score the axes (those after the k-th by their mean variance), CORAL."""
    mean, sd = reference.mean(axis=0), reference.std(axis=0, ddof=1)
    r = (reference - mean) / sd
    _, s, Vt = np.linalg.svd(r)
    variance = np.zeros(len(Vt))
    variance[: len(s)] = s**2 / (len(r) - 1)
    if k < len(variance):
        variance[k:] = variance[k:].mean()
    z, c, r = ((rows - mean) / sd @ Vt.T / np.sqrt(variance) for rows in (X, own, reference))
    ridge = shrinkage * np.eye(len(variance))
    whiten, color = (fractional_matrix_power(np.cov(p.T) + ridge, e).real for p, e in ((c, -0.5), (r, 0.5)))
    return np.asarray((z - c.mean(axis=0)) @ whiten @ color)


@pytest.mark.parametrize("exchangeable", [False, True])
@pytest.mark.parametrize(("n_features", "k"), [(9, 4), (9, "all"), (60, 5)])
def test_distances_are_those_of_the_published_method(
    n_features: int, k: int | str, exchangeable: bool, screen: Any
) -> None:
    """Of all wells of a batch in the textbook form, of those of one fold in the cross-fitted one."""
    profiles = screen(awkward=False, sites=(1, 2), n_features=n_features)
    unseen = (profiles.wells["batch"] == "b2").to_numpy()
    got = output(profiles, Split("b2", ~unseen, unseen), n_components=k, shrinkage=0.5, exchangeable=exchangeable)
    control, X = (profiles.wells["role"] == "negcon").to_numpy(), profiles.X.astype(np.float64)
    fold = np.concatenate([folds(p, 5) for p in profiles]) if exchangeable else np.zeros(len(X), dtype=int)
    for batch in ("b2", "b3"):
        here = (profiles.wells["batch"] == batch).to_numpy()
        for f in np.unique(fold):
            kept, rows = control & ((fold != f) | (not exchangeable)), here & (fold == f)
            count = n_features if k == "all" else int(k)
            expected = in_pca_space(X[rows], X[kept & here], X[kept & ~unseen], count, 0.5)
            np.testing.assert_allclose(pdist(got[rows]), pdist(expected), rtol=1e-3)
            np.testing.assert_allclose((got[rows] ** 2).sum(axis=1), (expected**2).sum(axis=1), rtol=1e-3)


def test_without_shrinkage_controls_of_every_batch_have_mean_0_and_covariance_i(screen: Any) -> None:
    profiles = screen(awkward=False, n_features=6)
    got = output(profiles, n_components="all", shrinkage=0, exchangeable=False)
    for batch in ("b1", "b2", "b3"):
        rows = ((profiles.wells["role"] == "negcon") & (profiles.wells["batch"] == batch)).to_numpy()
        np.testing.assert_allclose(got[rows].mean(axis=0), 0, atol=1e-3)
        np.testing.assert_allclose(np.cov(got[rows].T), np.eye(6), atol=1e-3)


@pytest.mark.parametrize("n_features", [14, 90])
def test_auto_finds_the_axes_under_which_controls_of_other_plates_are_most_likely(n_features: int) -> None:
    profiles = correlated_noise(3, n_features=n_features, n_plates=6)
    fitted = Tvn(exchangeable=False).fit(profiles)
    codes, k = plate_folds(profiles, lambda plate: np.where(plate.negcon, 0, -1), 1, 0)
    fold = np.concatenate([codes(plate) for plate in profiles])
    Z = profiles.X / profiles.X[fold >= 0].std(axis=0, dtype=np.float64)
    scores: dict[int, float] = {}
    for count in (fitted.k_, fitted.k_ - 1, fitted.k_ + 1, 1, 12):
        scores[count] = 0.0
        for f in range(k):
            train = Z[(fold >= 0) & (fold != f)]
            values, axes = np.linalg.eigh(np.cov(train.T))
            values[: n_features - count] = values[: n_features - count].mean()
            model = multivariate_normal(train.mean(axis=0), (axes * values) @ axes.T)
            scores[count] += model.logpdf(Z[fold == f]).mean()
    assert max(scores, key=scores.__getitem__) == fitted.k_
    assert 8 <= fitted.k_ <= 11, "ten common factors"


def test_controls_are_given_away_by_the_textbook_form_only() -> None:
    """96 controls among 384 wells, 6 screens; 4 standard errors are 0.056."""
    screens = [correlated_noise(seed, n_features=40) for seed in range(6)]
    assert abs(np.mean([auroc_of_norm(s, Tvn(n_components=8)) for s in screens]) - 0.5) < 0.056
    assert np.mean([auroc_of_norm(s, Tvn(n_components=8, exchangeable=False)) for s in screens]) > 0.9


def test_features_that_do_not_vary_among_controls_are_reported(screen: Any) -> None:
    profiles = screen()
    tables: list[pd.DataFrame] = []
    got = normalize(profiles, Tvn(), aggregate="none", report=tables.append).X
    assert not got[:, 0].any()
    alone = normalize(profiles, Tvn(on_constant="leave"), aggregate="none").X
    np.testing.assert_array_equal(alone[:, 0], profiles.X[:, 0])
    np.testing.assert_array_equal(alone[:, 1:], got[:, 1:])
    assert abs(got[:, 1]).max() < 20
    assert dict(zip(tables[0]["feature_number"], tables[0]["fallback"], strict=True)) == {
        0: "centred",
        1: "all wells",
    }


@pytest.mark.parametrize(
    ("components", "message"),
    [
        ("all", r"n_components=all, but the covariance of controls in 198 features has rank \d+"),
        (190, r"n_components=190, but .* below that, or auto"),
        (0, "n_components 0; expected 1 to 198"),
        ("most", "n_components 'most'; expected"),
    ],
)
def test_what_cannot_work_is_refused(components: Any, message: str, screen: Any) -> None:
    with pytest.raises(InputError, match=message):
        output(screen(n_features=200), n_components=components)
