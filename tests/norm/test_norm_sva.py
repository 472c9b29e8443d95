from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from promises import assert_empty_wells_are_not_read
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from harness.baseline.row_norm import RowNorm
from harness.core.arrays import Doubles
from harness.core.exceptions import InputError
from harness.core.profiles import Plate, Profiles
from harness.data.wells.aggregation import well_table
from harness.metric.auroc import Auroc
from harness.norm.engine.normalize import normalize
from harness.norm.sva import Sva, count_components
from harness.scoring.evaluate import evaluate
from harness.split.leave_batch_out import LeaveBatchOut
from harness.task.dmso_vs_treated import DmsoVsTreated


def sites(profiles: Profiles, **options: Any) -> Any:
    return normalize(profiles, Sva(**options), aggregate="none").X


def residuals(profiles: Profiles) -> tuple[Doubles, Doubles, Doubles]:
    """Standardized means of filled wells, their mean and sd: by pandas."""
    wells = profiles.wells
    filled = (wells["role"] != "empty").to_numpy()
    table = pd.DataFrame(profiles.X[filled].astype(np.float64))
    means = table.groupby([wells.loc[filled, c].to_numpy() for c in ("plate", "well")]).mean().to_numpy()
    mean, sd = means.mean(axis=0), means.std(axis=0)
    return (means - mean) / sd, mean, sd


def correlated(seed: int) -> Any:
    """Turns a noise screen into one with correlated features of unequal scale."""

    def mix(profiles: Profiles) -> Profiles:
        rng = np.random.default_rng(seed)
        G = profiles.X.shape[1]
        M = rng.standard_normal((G, G)) * np.linspace(3, 0.1, G)[:, None] ** 2
        return profiles.replace(X=(profiles.X @ M + 40).astype(np.float32))

    return mix


@pytest.mark.parametrize(("n_features", "n_sv"), [(10, 1), (10, 3), (10, 8), (50, 3)])
def test_rows_lose_their_regression_on_the_surrogate_variables_of_the_wells(
    screen: Any, n_features: int, n_sv: int
) -> None:
    """Oracle: least squares on left singular vectors of the wells' residuals, sites projected on the loadings."""
    profiles = screen(awkward=False, n_features=n_features)
    Z, mean, sd = residuals(profiles)
    U, s, Vt = np.linalg.svd(Z, full_matrices=False)
    loadings = np.linalg.lstsq(U[:, :n_sv], Z, rcond=None)[0]
    np.testing.assert_allclose(loadings, s[:n_sv, None] * Vt[:n_sv], atol=1e-9)
    z = (profiles.X - mean) / sd
    expected = profiles.X - sd * (z @ Vt[:n_sv].T @ Vt[:n_sv])
    np.testing.assert_allclose(sites(profiles, n_sv=n_sv), expected, rtol=1e-5, atol=1e-4)


def test_what_is_left_is_uncorrelated_with_the_surrogate_variables_and_keeps_the_mean(screen: Any) -> None:
    profiles = screen(awkward=False, sites=(1,))
    filled = (profiles.wells["role"] != "empty").to_numpy()
    out = sites(profiles, n_sv=2)[filled].astype(np.float64)
    Z, mean, sd = residuals(profiles)
    np.testing.assert_allclose(out.mean(axis=0), mean, rtol=1e-4)
    surrogates = residuals(profiles)[0] @ np.linalg.svd(Z)[2][:2].T
    order = profiles.wells[filled].reset_index(drop=True).sort_values(["plate", "well"]).index
    product = surrogates.T @ ((out[order] - mean) / sd) / len(out)
    np.testing.assert_allclose(product, 0, atol=1e-4)


def brute_force_count(Z: Doubles, seed: int, n_permutations: int, alpha: float) -> int:
    """num.sv(method="be") of R's sva, written out, with its own draws."""
    rng = np.random.default_rng(seed)

    def shares(M: Doubles) -> Doubles:
        d = np.linalg.svd(M - M.mean(axis=0), compute_uv=False) ** 2
        return np.asarray((d / d.sum())[: min(M.shape[0] - 1, M.shape[1])])

    found = shares(Z)
    null = np.stack([shares(np.stack([rng.permutation(c) for c in Z.T], axis=1)) for _ in range(n_permutations)])
    p = (null >= found).mean(axis=0)
    for i in range(1, len(p)):
        p[i] = max(p[i - 1], p[i])
    return int((p <= alpha).sum())


@pytest.mark.parametrize("shape", [(60, 25), (40, 90)])
@pytest.mark.parametrize("n_factors", [0, 1, 3])
def test_the_permutation_test_finds_the_planted_number_of_factors(shape: tuple[int, int], n_factors: int) -> None:
    n, G = shape
    rng = np.random.default_rng(n_factors + n)
    Z = rng.standard_normal((n, G)) + rng.standard_normal((n, n_factors)) @ rng.standard_normal((n_factors, G)) * 1.5
    Z = Z * 10 ** rng.uniform(-0.2, 0.2, G) + 7
    counted = count_components(Z, np.random.default_rng(1))
    assert counted == n_factors
    assert counted == brute_force_count(Z, 2, 20, 0.1)
    constant = np.hstack([Z, np.zeros((n, 2))])
    assert count_components(constant, np.random.default_rng(1)) == counted


def test_the_number_does_not_depend_on_the_order_of_rows_and_features_without_variance_are_left_alone(
    screen: Any,
) -> None:
    profiles = screen()
    order = np.concatenate([np.arange(p.rows.start, p.rows.stop)[::-1] for p in profiles])
    turned = profiles.replace(X=profiles.X[order], wells=profiles.wells.iloc[order])
    numbers = [Sva(n_sample=50).fit(p).n_sv_ for p in (profiles, turned)]
    assert numbers[0] == numbers[1] > 0
    np.testing.assert_array_equal(sites(profiles)[:, 0], profiles.X[:, 0])


def test_a_screen_of_independent_features_has_no_surrogate_variables_and_stays_as_it_is(noise_screen: Any) -> None:
    profiles = noise_screen()
    assert Sva().fit(profiles).n_sv_ == 0
    np.testing.assert_array_equal(sites(profiles), profiles.X)


def test_a_batch_shift_of_uncorrelated_features_is_found_and_removed(noise_screen: Any) -> None:
    """Three shifts of four batches are three components; what is left of them is less than 2% of the variance."""
    profiles = noise_screen()
    shift = {b: 9 * np.random.default_rng(i).standard_normal(60) for i, b in enumerate(["b0", "b1", "b2", "b3"])}
    X = profiles.X + np.stack([shift[b] for b in profiles.wells["batch"]])
    shifted = profiles.replace(X=X.astype(np.float32))
    assert Sva().fit(shifted).n_sv_ == 3

    def between(X: Any) -> float:
        frame = pd.DataFrame(X)
        means = frame.groupby(profiles.wells["batch"].to_numpy()).transform("mean")
        return float(means.var().sum() / frame.var().sum())

    assert between(shifted.X) > 0.5
    assert between(sites(shifted)) < 0.02


def test_empty_wells_are_not_read_and_a_new_plate_is_projected_on_the_same_axes(screen: Any) -> None:
    profiles = screen(awkward=False)
    assert_empty_wells_are_not_read(sites, profiles)
    fitted = Sva(n_sv=2).fit(profiles)
    first = profiles[0]
    renamed = Plate("new", first.rows, first.X, first.wells.assign(plate="new"))
    np.testing.assert_array_equal(fitted.transform(renamed), fitted.transform(first))


@pytest.mark.parametrize("model", ["logistic", "row norm"])
def test_on_noise_held_out_controls_cannot_be_told_from_other_wells(noise_screen: Any, model: str) -> None:
    """Correlated noise, 4 screens; tolerance 0.06, about 4 standard errors of a mean of 4 AUROCs."""
    made = RowNorm() if model == "row norm" else make_pipeline(StandardScaler(), LogisticRegression(C=0.01))
    found = []
    for seed in range(4):
        profiles = normalize(correlated(seed)(noise_screen(seed=seed)), Sva(n_sv=10))
        folds = LeaveBatchOut().split(well_table(profiles.wells))
        found += [Auroc()(evaluate(profiles, fold, DmsoVsTreated(), made)) for fold in folds]
    assert abs(np.mean(found) - 0.5) < 0.06


def test_a_known_role_writes_the_label_into_held_out_wells_and_is_refused(noise_screen: Any) -> None:
    """R's sva with the role as variable of interest, on correlated noise: the reason for the refusal."""
    found = []
    for seed in range(3):
        profiles = correlated(seed)(noise_screen(seed=seed))
        X, y = profiles.X.astype(np.float64), (profiles.wells["role"] == "treated").to_numpy()
        Z = (X - X.mean(axis=0)) / X.std(axis=0)
        known = np.c_[np.ones(len(y)), y]
        U = np.linalg.svd(Z - known @ np.linalg.lstsq(known, Z, rcond=None)[0], full_matrices=False)[0][:, :10]
        cleaned = Z - U @ np.linalg.lstsq(np.c_[known, U], Z, rcond=None)[0][2:]
        for batch in ("b0", "b2"):
            test = (profiles.wells["batch"] == batch).to_numpy()
            model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, class_weight="balanced"))
            score = model.fit(cleaned[~test], y[~test]).predict_proba(cleaned[test])[:, 1]
            found.append(roc_auc_score(y[test], score))
    assert np.mean(found) > 0.75
    with pytest.raises(InputError, match="label of held-out wells") as refused:
        Sva(known="role").fit(profiles)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("n_sv", [0, -1, 2.5, "many", True, 9, 1000])
def test_a_number_that_makes_no_sense_is_refused(screen: Any, n_sv: Any) -> None:
    """Nine features vary, so that at most eight may go."""
    profiles = screen()
    with pytest.raises(InputError, match=f"n_sv={n_sv!r}".replace(".", r"\.")):
        Sva(n_sv=n_sv).fit(profiles)


def test_too_few_wells_or_no_variation_is_refused(screen: Any) -> None:
    profiles = screen(n_plates=1, n_batches=1)
    filled = profiles.wells.loc[profiles.wells["role"] != "empty", "well"].unique()
    two = profiles.take(profiles.wells["well"].isin(filled[:2]).to_numpy())
    with pytest.raises(InputError, match="2 filled wells"):
        sites(two)
    with pytest.raises(InputError, match="no feature differs"):
        sites(profiles.replace(X=np.full_like(profiles.X, 3.7)))
