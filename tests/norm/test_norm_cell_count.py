from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from control_norms import SEEDS, auroc_of_norm, standard_error
from sklearn.linear_model import LinearRegression

from harness.core.evaluation import Split
from harness.core.exceptions import InputError
from harness.core.profiles import Plate, Profiles
from harness.norm.cell_count import CellCount, MissingCountsWarning
from harness.norm.engine.crossfit import fold_of
from harness.norm.engine.normalize import normalize


def line(profiles: Profiles, rows: Any) -> LinearRegression:
    t = np.log1p(profiles.wells["cell_count"].to_numpy(dtype=np.float64))
    return LinearRegression().fit(t[rows, None], profiles.X[rows].astype(np.float64))


def residual(profiles: Profiles, fitted: LinearRegression) -> Any:
    t = np.log1p(profiles.wells["cell_count"].to_numpy(dtype=np.float64))
    return profiles.X - fitted.predict(t[:, None])


def by_plate(profiles: Profiles, split: Split | None = None, **kwargs: Any) -> Any:
    return normalize(profiles, CellCount(**kwargs), split, aggregate="none").X


def test_textbook_is_the_residual_of_a_regression_on_training_controls(screen: Any) -> None:
    profiles = screen(awkward=False)
    train = (profiles.wells["batch"] != "b2").to_numpy()
    Z = by_plate(profiles, Split("b2", train, ~train), exchangeable=False)
    expected = residual(profiles, line(profiles, train & (profiles.wells["role"] == "negcon").to_numpy()))
    np.testing.assert_allclose(Z, expected, atol=1e-5 * np.abs(profiles.X).max(), rtol=1e-5)


def test_each_fold_is_the_residual_of_a_regression_on_the_other_folds(screen: Any) -> None:
    profiles = screen(awkward=False, n_plates=5)
    train = (profiles.wells["batch"] != "b1").to_numpy()
    Z = by_plate(profiles, Split("b1", train, ~train), n_folds=3, seed=8)
    negcon = train & (profiles.wells["role"] == "negcon").to_numpy()
    seen = {p.name: sorted(set(p.wells["well"][p.negcon])) for p in profiles.where(train)}
    fold = np.concatenate([fold_of(p, seen.get(p.name, []), 3, 8) for p in profiles])
    for f in range(3):
        expected = residual(profiles, line(profiles, negcon & (fold != f)))
        np.testing.assert_allclose(Z[fold == f], expected[fold == f], atol=1e-5 * np.abs(profiles.X).max(), rtol=1e-5)


def test_a_planted_slope_goes_and_an_effect_of_a_treatment_stays(screen: Any) -> None:
    profiles = screen(awkward=False)
    t = np.log1p(profiles.wells["cell_count"].to_numpy(dtype=np.float64))
    treated = (profiles.wells["role"] == "treated").to_numpy()
    noise = np.random.default_rng(1).normal(0, 0.01, profiles.X.shape)
    X = (1e4 + np.outer(t, np.linspace(-50, 400, 10)) + 7 * treated[:, None] + noise).astype(np.float32)
    Z = by_plate(profiles.replace(X=X))
    np.testing.assert_allclose(Z, np.broadcast_to(7 * treated[:, None], Z.shape), atol=0.1)


def test_a_feature_constant_on_controls_only_loses_its_constant(screen: Any) -> None:
    profiles = screen()
    Z = by_plate(profiles)
    np.testing.assert_allclose(Z[:, 0], 0, atol=1e-6)
    np.testing.assert_allclose(Z[:, 1], profiles.X[:, 1] + 37.3, atol=1e-3)


def test_rows_without_a_count_are_not_read_and_lose_the_mean_only(screen: Any) -> None:
    profiles = screen(awkward=False)
    counts = profiles.wells["cell_count"].astype(float)
    some = (profiles.wells["plate"] == "p9").to_numpy() & profiles.wells["well"].isin(["A01", "B02", "C03"]).to_numpy()
    holes = profiles.replace(wells=profiles.wells.assign(cell_count=counts.where(~some)))
    with pytest.warns(MissingCountsWarning, match=rf"plate 'p9' has {some.sum()} rows without"):
        Z = by_plate(holes, exchangeable=False)
    read = (profiles.wells["role"] == "negcon").to_numpy() & ~some
    fitted = line(profiles, read)
    expected = residual(profiles, fitted)
    expected[some] = profiles.X[some] - profiles.X[read].astype(np.float64).mean(axis=0)
    np.testing.assert_allclose(Z, expected, atol=1e-5 * np.abs(profiles.X).max(), rtol=1e-5)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        (None, r"plate 'p10' has no column cell_count; map one"),
        (np.nan, r"0 control wells with a cell count"),
        (60, r"controls of one count"),
        (-2, r"has the cell count -2"),
    ],
)
def test_counts_that_do_not_serve_are_refused(screen: Any, counts: float | None, message: str) -> None:
    wells = screen().wells
    wells = wells.drop(columns="cell_count") if counts is None else wells.assign(cell_count=counts)
    with pytest.raises(InputError, match=message):
        by_plate(screen().replace(wells=wells))


def test_a_plate_without_counts_and_a_single_fold_are_refused(screen: Any) -> None:
    plates = list(screen())
    fitted = CellCount().fit(plates)
    bare = plates[2].wells.assign(cell_count=np.nan)
    with pytest.raises(InputError, match=r"plate 'p8' has no cell counts"):
        fitted.transform(Plate("p8", plates[2].rows, plates[2].X, bare))
    with pytest.raises(InputError, match="n_folds is 1"):
        CellCount(n_folds=1).fit(plates)


def test_controls_are_not_given_away(noise_screen: Any) -> None:
    """Null AUROC of the row norm within 4 standard errors (0.046); 2 coefficients of 96 wells leak little anyway."""
    found = []
    for seed in SEEDS:
        screen = noise_screen(seed=seed)
        counts = np.random.default_rng(seed).integers(10, 99, len(screen.wells))
        found.append(auroc_of_norm(screen.replace(wells=screen.wells.assign(cell_count=counts)), CellCount()))
    assert abs(np.mean(found) - 0.5) < 4 * standard_error(12 * 8, 12 * 40, len(SEEDS))
