from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from control_norms import SEEDS, auroc_of_norm, standard_error
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.arrays import Doubles
from harness.core.exceptions import InputError
from harness.core.profiles import Plate
from harness.data.wells.aggregation import sites_to_wells, well_codes
from harness.norm.engine.exchangeable import left_out_control
from harness.norm.engine.normalize import normalize
from harness.norm.robust_within import RobustWithin
from harness.numerics.leave_one_out_quantiles import left_out_median_mad, left_out_quantiles

pytestmark = pytest.mark.filterwarnings("ignore::harness.norm.engine.exchangeable.FewControlsWarning")


def chain(plate: Plate, rows: Any, g: int) -> tuple[float, float]:
    """Median and 1.4826 MAD of ``rows``, else of all filled wells, else their median and 1."""
    for chosen in (rows, plate.filled):
        x = plate.X[chosen, g].astype(np.float64)
        mad = float(np.median(np.abs(x - np.median(x))))
        if mad > 0:
            return float(np.median(x)), 1.4826 * mad
    return float(np.median(x)), 1.0


def scaled(plate: Plate, rows: Any) -> Doubles:
    columns = [chain(plate, rows, g) for g in range(plate.X.shape[1])]
    return np.stack([(plate.X[:, g].astype(np.float64) - c) / s for g, (c, s) in enumerate(columns)], axis=1)


@pytest.mark.parametrize("sites", [(1,), (2,), (1, 2, 3), (5, 6)])
def test_each_row_is_scaled_by_the_controls_without_one_well(screen: Any, sites: tuple[int, ...]) -> None:
    for plate in screen(sites=sites, n_plates=3):
        fitted = RobustWithin(seed=4).fit([plate])
        Z, well = fitted.transform(plate), plate.wells["well"].to_numpy()
        gone = np.array(fitted.reference_)[left_out_control(plate, fitted.reference_, 4)]
        assert (gone[plate.negcon] == well[plate.negcon]).all()
        for w in np.unique(gone):
            expected = scaled(plate, plate.negcon & (well != w))[gone == w]
            np.testing.assert_allclose(Z[gone == w], expected, rtol=3e-5, atol=3e-5)


def test_the_textbook_form_is_median_and_mad_of_all_controls(screen: Any) -> None:
    for plate in screen(n_plates=3):
        Z = RobustWithin(exchangeable=False).fit([plate]).transform(plate)
        np.testing.assert_allclose(Z, scaled(plate, plate.negcon), rtol=3e-5, atol=3e-5)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=2, max_size=9), st.integers(0, 10**6), st.booleans())
def test_order_statistics_equal_brute_force_with_ties_and_unequal_sites(
    sites: list[int], seed: int, ties: bool
) -> None:
    rng = np.random.default_rng(seed)
    codes = rng.permutation(np.repeat(np.arange(len(sites)), sites))
    X = (rng.integers(-3, 4, (len(codes), 6)) if ties else rng.standard_t(2, (len(codes), 6)) + 50).astype(np.float32)
    p = (0.1, 0.25, 0.5, 0.9)
    median, mad = left_out_median_mad(X, codes)
    quantiles = left_out_quantiles(X, codes, p)
    for w in range(len(sites)):
        rest = X[codes != w].astype(np.float64)
        np.testing.assert_allclose(median[w], np.median(rest, axis=0), rtol=1e-12)
        np.testing.assert_allclose(mad[w], np.median(np.abs(rest - np.median(rest, axis=0)), axis=0), atol=1e-12)
        np.testing.assert_allclose(quantiles[w], np.quantile(rest, p, axis=0, method="hazen"), rtol=1e-12, atol=1e-12)


def test_the_report_names_features_without_mad(screen: Any) -> None:
    plate = screen()[0]
    report = RobustWithin().fit([plate]).report()
    found = dict(zip(report["feature_number"], report["fallback"], strict=True))
    assert found == {0: "centred", 1: "all wells", 2: "all wells"}
    assert (report["share"] == 1).all()


def test_a_feature_that_most_wells_share_keeps_the_distance_of_the_few(screen: Any) -> None:
    """MAD 0 is not constant: a rare phenotype must not be flattened with the level of the plate."""
    plate = screen(awkward=False)[0]
    X = plate.X.copy()
    X[:, 4] = 0.1
    rare = np.flatnonzero(~plate.negcon & plate.filled)[:3]
    X[rare, 4] = [0.7, 1.1, -2.0]
    for on_constant, level in (("centre", np.float32(0.1)), ("leave", np.float32(0))):
        fitted = RobustWithin(on_constant=on_constant).fit([plate_of(plate, X)])  # type: ignore[arg-type]
        np.testing.assert_array_equal(fitted.transform(plate_of(plate, X))[:, 4], X[:, 4] - level)


def plate_of(plate: Plate, X: Any) -> Plate:
    return Plate(plate.name, plate.rows, X, plate.wells)


def test_a_minority_of_wild_controls_does_not_move_the_others(screen: Any) -> None:
    plate = screen(awkward=False, n_controls=9)[0]
    wild = plate.wells["well"].isin(sorted(plate.wells.loc[plate.negcon, "well"].unique())[:2]).to_numpy()
    X = plate.X.copy()
    X[wild] += 1e6
    a, b = (RobustWithin().fit([q]).transform(q) for q in (plate, Plate(plate.name, plate.rows, X, plate.wells)))
    assert np.median(np.abs(b[~wild])) < 4 * np.median(np.abs(a[~wild]))


def test_the_middle_sites_of_a_well_are_enough(screen: Any) -> None:
    profiles = screen(sites=(1, 4, 6))
    whole = [sites_to_wells(RobustWithin().fit([p]).transform(p), well_codes(p.wells), "median") for p in profiles]
    np.testing.assert_array_equal(normalize(profiles, RobustWithin()).X, np.concatenate(whole))


def test_fewer_than_three_controls_are_refused_by_name(screen: Any) -> None:
    plate = screen(n_controls=2)[0]
    with pytest.raises(InputError, match=r"RobustWithin: plate 'p10' has 2 negative control wells"):
        RobustWithin().fit([plate])


def test_controls_are_given_away_by_the_textbook_form_only(noise_screen: Any) -> None:
    """12 plates x 48 wells, 8 controls, 8 screens; tolerance 4 standard errors of the mean AUROC (0.046)."""
    screens = [noise_screen(seed=seed) for seed in SEEDS]
    tolerance = 4 * standard_error(12 * 8, 12 * 40, len(SEEDS))
    assert np.mean([auroc_of_norm(s, RobustWithin(exchangeable=False)) for s in screens]) > 0.7
    assert abs(np.mean([auroc_of_norm(s, RobustWithin()) for s in screens]) - 0.5) < tolerance


def test_a_control_relabelled_among_controls_only_is_not_told_apart(noise_screen: Any) -> None:
    """Controls against controls: half of 16 relabelled, the rest of the plate left out."""
    found = []
    for seed in SEEDS:
        screen = noise_screen(seed=seed, k=16)
        kept = screen.take((screen.wells["role"] == "negcon").to_numpy())
        odd = kept.wells.groupby("plate").cumcount() % 2 == 1
        wells = kept.wells.assign(role=pd.Series(np.where(odd, "treated", "negcon"), dtype=object))
        found.append(auroc_of_norm(kept.replace(wells=wells), RobustWithin()))
    assert abs(np.mean(found) - 0.5) < 4 * standard_error(96, 96, len(SEEDS))
