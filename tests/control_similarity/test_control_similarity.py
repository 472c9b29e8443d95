from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import fisher_exact, multivariate_normal
from sklearn.metrics import roc_auc_score

from harness.control_similarity.enrichment import enrichment
from harness.control_similarity.folds import deal_control_folds
from harness.control_similarity.gaussian import Gaussian, robust_gaussian
from harness.control_similarity.mahalanobis import control_space
from harness.control_similarity.scores import ControlSimilarity
from harness.core.exceptions import InputError, NotApplicable
from harness.core.profiles import Profiles

MEAN, COVARIANCE = np.array([40.0, -7.0]), np.array([[9.0, 2.4], [2.4, 1.0]])


def test_density_is_that_of_scipy_and_an_ellipse_lies_at_its_distance():
    fitted = Gaussian(MEAN, COVARIANCE)
    X = np.random.default_rng(0).normal(30, 20, (50, 2))
    np.testing.assert_allclose(fitted.log_density(X), multivariate_normal(MEAN, COVARIANCE).logpdf(X), rtol=1e-10)
    ring = fitted.ellipse(2.5) - MEAN
    np.testing.assert_allclose(np.einsum("ij,jk,ik->i", ring, np.linalg.inv(COVARIANCE), ring), 6.25)
    assert np.linalg.matrix_rank(ring) == 2


def test_a_third_of_the_points_elsewhere_does_not_move_the_fit():
    rng = np.random.default_rng(1)
    X = np.r_[rng.multivariate_normal(MEAN, COVARIANCE, 400), rng.normal([90, 60], 4, (190, 2))]
    fitted = robust_gaussian(X, seed=0)
    np.testing.assert_allclose(fitted.mean, MEAN, atol=0.4)
    np.testing.assert_allclose(fitted.covariance, COVARIANCE, atol=1.2)
    assert np.linalg.norm(X.mean(axis=0) - MEAN) > 10


def test_distance_with_all_components_is_the_mahalanobis_distance():
    rng = np.random.default_rng(2)
    root = rng.normal(0, 1, (6, 6)) * 10.0 ** rng.uniform(-2, 2, 6)
    controls = (300 + rng.normal(size=(20_000, 6)) @ root).astype(np.float32)
    X = (300 + 3 * rng.normal(size=(40, 6)) @ root).astype(np.float32)
    space = control_space(controls, usual=X.std(axis=0, dtype=np.float64), n_components=6, seed=0)
    D = X - controls.mean(axis=0, dtype=np.float64)
    exact = np.sqrt(np.einsum("ij,jk,ik->i", D, np.linalg.inv(np.cov(controls.T.astype(np.float64))), D))
    np.testing.assert_allclose(space.distance(X), exact, rtol=0.03)


def test_features_that_controls_hardly_vary_in_do_not_rule():
    rng = np.random.default_rng(3)
    controls = rng.normal(5, 2, (60, 8)).astype(np.float32)
    controls[:, 0], controls[:, 1] = 7.0, 1e4 + 1e-2 * rng.normal(size=60)
    X = rng.normal(5, 2, (30, 8)).astype(np.float32)
    usual = np.full(8, 3.0)
    space = control_space(controls, usual=usual, n_components=20, seed=0)
    assert space.read.tolist() == [False, False] + [True] * 6
    assert space.distance(X).max() < 10
    with pytest.raises(NotApplicable, match="no feature varies"):
        control_space(controls[:, :2], usual=usual[:2], n_components=20, seed=0)


def on_no_map(profiles: Profiles) -> np.ndarray[Any, Any]:
    return np.full((len(profiles.wells), 2), np.nan)


def test_noise_does_not_tell_controls_from_treated_wells(noise_screen):
    """Scored by a fit that read them, the same controls stand out."""
    p = noise_screen(n_plates=12, k=8, n_features=60)
    scored, _ = ControlSimilarity(n_components=50).scored(p, p.X[:, :2].astype(np.float64), seed=0)
    treated = scored["role"] == "treated"
    honest = [roc_auc_score(treated, scored["mahalanobis"]), roc_auc_score(treated, -scored["log_density"])]
    assert honest == pytest.approx([0.5, 0.5], abs=0.08)
    control = (p.wells["role"] == "negcon").to_numpy()
    space = control_space(p.X[control], usual=np.full(60, 5.0), n_components=48, seed=0)
    assert abs(roc_auc_score(~control, space.distance(p.X)) - 0.5) > 0.2


def test_no_control_is_scored_by_a_fit_that_read_it(noise_screen):
    p = noise_screen(n_plates=6)
    dealt = deal_control_folds(p, n_folds=5, max_controls=30, seed=1)
    control = (p.wells["role"] == "negcon").to_numpy()
    assert dealt.read.sum() == 30
    assert not (dealt.read & ~control).any()
    assert p.wells.loc[dealt.read, "plate"].value_counts().tolist() == [5] * 6
    seen = []

    def fit(controls: Any) -> Any:
        def score(rows: Any) -> Any:
            seen.append((controls & rows).any())
            return np.full(rows.sum(), controls.sum())

        return score

    into = np.full(len(control), np.nan)
    dealt.score(np.ones(len(control), dtype=bool), fit, into=into)
    assert len(seen) == 5
    assert not any(seen)
    assert np.isfinite(into).all()
    assert into.max() < 30


def test_distances_are_to_the_controls_of_the_batch_where_asked(noise_screen):
    p = noise_screen(n_plates=12, n_batches=3, k=10)
    far = (p.wells["batch"] == "b2").to_numpy()
    shifted = p.replace(X=(p.X + 80 * far[:, None]).astype(np.float32))
    by_batch, _ = ControlSimilarity(per="batch").scored(shifted, on_no_map(p), seed=0)
    unshifted, _ = ControlSimilarity(per="batch").scored(p, on_no_map(p), seed=0)
    np.testing.assert_allclose(by_batch["mahalanobis"], unshifted["mahalanobis"], rtol=0.02)
    assert set(by_batch["group"]) == {"b0", "b1", "b2"}
    assert by_batch["log_density"].isna().all()


def test_images_of_a_well_make_one_score_and_the_order_of_rows_none(screen):
    p = screen(n_plates=6, n_controls=9, awkward=False)
    a, _ = ControlSimilarity().scored(p, on_no_map(p), seed=0)
    assert not a.duplicated(["plate", "well"]).any()
    assert set(a["role"]) == {"negcon", "treated"}
    order = np.concatenate([r.start + np.random.default_rng(0).permutation(r.stop - r.start) for r in p.plate_slices])
    b, _ = ControlSimilarity().scored(Profiles(p.X[order], p.wells.iloc[order]), on_no_map(p), seed=0)
    both = a.merge(b, on=["plate", "well"])
    assert len(both) == len(a)
    np.testing.assert_allclose(both["mahalanobis_x"], both["mahalanobis_y"], rtol=1e-3)


def test_too_few_controls_are_an_answer_and_a_wrong_setting_an_error(noise_screen):
    p = noise_screen(n_plates=3, n_batches=3, k=9)
    with pytest.raises(NotApplicable, match="no batch has 10 control wells"):
        ControlSimilarity(per="batch").scored(p, on_no_map(p), seed=0)
    with pytest.raises(InputError, match=r"per='plate': expected one of \['all', 'batch'\]"):
        ControlSimilarity(per="plate")
    with pytest.raises(InputError, match="n_wells=0: expected at least 1"):
        ControlSimilarity(n_wells=0)


def test_extremes_do_not_overlap_and_are_of_each_group():
    n = np.r_[np.arange(30), np.arange(7)]
    scored = pd.DataFrame({"plate": "p", "well": [f"w{i}" for i in range(37)], "batch": ["b1"] * 30 + ["b2"] * 7})
    scored = scored.assign(group=scored["batch"], role="treated", mahalanobis=n * 1.0, log_density=n * 1.0)
    scored.loc[0, "role"] = "negcon"
    least, most = ControlSimilarity(per="batch", n_wells=5).extremes(scored)
    assert least["mahalanobis"].tolist() == [29, 28, 27, 26, 25, 6, 5, 4]
    assert most["mahalanobis"].tolist() == [1, 2, 3, 4, 5, 0, 1, 2]
    assert least["rank"].tolist() == [1, 2, 3, 4, 5, 1, 2, 3]
    reversed_, _ = ControlSimilarity(per="batch", n_wells=5, rank_by="log_density").extremes(scored)
    assert reversed_["log_density"].tolist() == most["log_density"].tolist()


def test_enrichment_is_fishers_exact_test_in_one_stratum():
    rng = np.random.default_rng(4)
    wells = pd.DataFrame({"compound": rng.choice(["a", "b", "c", ""], 60, p=[0.1, 0.3, 0.4, 0.2])})
    chosen = rng.random(60) < np.where(wells["compound"] == "a", 0.9, 0.2)
    found = enrichment(wells, chosen, pd.Series("s", wells.index)).set_index("compound")
    assert found.index[0] == "a"
    assert set(found.index) == {"a", "b", "c"}
    for name, row in found.iterrows():
        own = (wells["compound"] == name).to_numpy()
        counts = [[(own & chosen).sum(), (own & ~chosen).sum()], [(~own & chosen).sum(), (~own & ~chosen).sum()]]
        assert row["p"] == pytest.approx(fisher_exact(counts, alternative="greater").pvalue)
        assert row["expected"] == pytest.approx(own.sum() * chosen.mean())
    p = found["p"].to_numpy()
    assert found["q"].tolist() == pytest.approx(np.minimum.accumulate((p * 3 / np.arange(1, 4))[::-1])[::-1].tolist())


def test_enrichment_over_strata_is_the_share_of_reshuffles_within_them():
    rng = np.random.default_rng(5)
    stratum = pd.Series(["s"] * 12 + ["t"] * 20)
    compound = np.array((["x"] * 3 + ["y"] * 9) + (["x"] * 4 + ["y"] * 16))
    chosen = np.array(([True] * 2 + [False] * 8 + [True] * 2) + ([True] * 3 + [False] * 15 + [True] * 2))
    row = enrichment(pd.DataFrame({"compound": compound}), chosen, stratum).set_index("compound").loc["x"]
    assert row["n_chosen"] == 5
    draws = sum(
        rng.permuted(np.tile(chosen[stratum == s], (20_000, 1)), axis=1)[:, :k].sum(1) for s, k in [("s", 3), ("t", 4)]
    )
    assert row["p"] == pytest.approx(np.mean(draws >= 5), abs=0.005)
    assert row["expected"] == pytest.approx(np.mean(draws), abs=0.03)
