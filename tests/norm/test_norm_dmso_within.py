from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.core.arrays import Doubles
from harness.core.exceptions import InputError
from harness.core.profiles import Plate, Profiles
from harness.norm.dmso_within import DmsoWithin
from harness.norm.engine.exchangeable import FewControlsWarning, check_controls, left_out_control


def reference(plate: Plate, rows: Any) -> tuple[Doubles, Doubles]:
    """Mean and sd of ``rows`` in float64 with the zero-variance chain, feature by feature."""
    mean, sd = np.zeros((2, plate.X.shape[1]))
    for g in range(plate.X.shape[1]):
        for chosen in (rows, plate.filled):
            x = plate.X[chosen, g].astype(np.float64)
            mean[g], sd[g] = x.mean(), x.std()
            if len(np.unique(plate.X[chosen, g])) > 1:
                break
        else:
            sd[g] = 1.0  # constant: 0
    return mean, sd


def scaled(plate: Plate, rows: Any) -> Doubles:
    mean, sd = reference(plate, rows)
    return np.asarray((plate.X.astype(np.float64) - mean) / sd)


def agree(a: Any, b: Any) -> bool:
    return bool(np.allclose(a, b, rtol=2e-5, atol=2e-5))


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("sites", [(1,), (1, 2, 3), (4,)])
def test_a_control_well_is_normalized_by_the_other_controls_all_its_sites_left_out(
    screen: Any, seed: int, sites: tuple[int, ...]
) -> None:
    for plate in screen(seed=seed, sites=sites):
        Z = DmsoWithin().fit([plate]).transform(plate)
        well = plate.wells["well"].to_numpy()
        for w in np.unique(well[plate.negcon]):
            np.testing.assert_allclose(
                Z[well == w], scaled(plate, plate.negcon & (well != w))[well == w], rtol=2e-5, atol=2e-5
            )


@pytest.mark.filterwarnings("ignore::harness.norm.engine.exchangeable.FewControlsWarning")
def test_every_other_well_is_normalized_by_the_controls_without_exactly_one_drawn_evenly(screen: Any) -> None:
    drawn: Counter[str] = Counter()
    for plate in screen(n_wells=36, n_controls=4, n_plates=12, n_batches=2):
        Z = DmsoWithin().fit([plate]).transform(plate)
        well = plate.wells["well"].to_numpy()
        without = {c: scaled(plate, plate.negcon & (well != c)) for c in np.unique(well[plate.negcon])}
        for w in np.unique(well[~plate.negcon]):
            matches = [c for c, expected in without.items() if agree(Z[well == w], expected[well == w])]
            assert len(matches) == 1, f"well {w} is normalized by {len(matches)} of the left-one-out references"
            drawn[str(sorted(without).index(matches[0]))] += 1
    assert set(drawn) >= {"0", "1", "2", "3"}
    evenly = sum(drawn.values()) / 4.5  # plates hold 4 or 5 controls
    assert max(drawn[i] for i in "0123") < 1.5 * evenly
    assert min(drawn[i] for i in "0123") > 0.6 * evenly


def test_the_draw_depends_on_seed_plate_and_well_and_not_on_the_order_or_company_of_rows(screen: Any) -> None:
    plate: Plate = screen(n_wells=30)[0]
    controls = check_controls(plate, "x")

    def draw(wells: pd.DataFrame, seed: int = 0, name: str = plate.name) -> dict[str, int]:
        view = Plate(name, plate.rows, plate.X[: len(wells)], wells.reset_index(drop=True))
        return dict(zip(view.wells["well"], left_out_control(view, controls, seed).tolist(), strict=True))

    full = draw(plate.wells)
    assert draw(plate.wells.sample(frac=1, random_state=3)) == full
    some = plate.wells[plate.wells["well"].isin(sorted(full)[::2])]
    assert draw(some) == {w: full[w] for w in some["well"]}
    assert draw(plate.wells, seed=1) != full
    assert draw(plate.wells, name="other") != full
    assert {w: full[w] for w in controls} == {w: i for i, w in enumerate(controls)}


def test_the_textbook_form_uses_all_controls_for_every_well(screen: Any) -> None:
    for plate in screen():
        Z = DmsoWithin(exchangeable=False).fit([plate]).transform(plate)
        np.testing.assert_allclose(Z, scaled(plate, plate.negcon), rtol=2e-5, atol=2e-5)


def test_the_two_forms_differ_and_exchangeable_is_the_default(screen: Any) -> None:
    plate = screen()[0]
    default, textbook = DmsoWithin(), DmsoWithin(exchangeable=False)
    assert default.exchangeable
    assert not agree(default.fit([plate]).transform(plate), textbook.fit([plate]).transform(plate))


def test_features_without_variance_on_controls_fall_back_and_are_reported(screen: Any) -> None:
    plate = screen(n_controls=8)[0]
    k = plate.wells.loc[plate.negcon, "well"].nunique()
    fitted = DmsoWithin().fit([plate])
    Z, table = fitted.transform(plate), fitted.report()
    assert not Z[:, 0].any()  # constant: centred
    alone = DmsoWithin(on_constant="leave").fit([plate])
    np.testing.assert_array_equal(alone.transform(plate)[:, 0], plate.X[:, 0])
    np.testing.assert_array_equal(alone.transform(plate)[:, 1:], Z[:, 1:])
    assert alone.report()["fallback"].tolist() == table["fallback"].replace("centred", "left alone").tolist()
    filled = plate.X[plate.filled, 1].astype(np.float64)
    np.testing.assert_allclose(Z[:, 1], (plate.X[:, 1] - filled.mean()) / filled.std(), rtol=1e-5, atol=1e-5)
    found = {int(row.feature_number): (row.plate, row.fallback, row.share) for row in table.itertuples()}
    assert found == {
        0: (plate.name, "centred", 1.0),
        1: (plate.name, "all wells", 1.0),
        2: (plate.name, "all wells", 1 / k),  # only without its one deviating control is the rest constant
    }


def test_the_report_of_the_textbook_form_names_only_features_constant_over_all_controls(screen: Any) -> None:
    table = DmsoWithin(exchangeable=False).fit([screen()[0]]).report()
    assert dict(zip(table["feature_number"], table["fallback"], strict=True)) == {0: "centred", 1: "all wells"}


def test_nothing_is_reported_where_every_feature_varies(screen: Any) -> None:
    assert len(DmsoWithin().fit([screen(awkward=False)[0]]).report()) == 0


@pytest.mark.parametrize("value", [1e7 + 1, 0.1, 1 / 3, -3.3e-12, 1e-30, 3e37, 16777217.0, 0.0])
def test_a_constant_float32_feature_counts_as_constant_whatever_its_size(screen: Any, value: float) -> None:
    plate = screen(awkward=False)[0]
    X = plate.X.copy()
    X[:, 4] = value
    for exchangeable in (True, False):
        plate = Plate(plate.name, plate.rows, X, plate.wells)
        fitted = DmsoWithin(exchangeable=exchangeable).fit([plate])
        assert not fitted.transform(plate)[:, 4].any()
        assert list(fitted.report()["feature_number"]) == [4]


def test_a_last_bit_that_differs_on_some_wells_leaves_no_residue(screen: Any) -> None:
    """With the odd control left out the others have no variance, with it they have a little: 0 for both alike."""
    plate = screen(awkward=False, sites=(1,))[0]
    X = plate.X.copy()
    X[:, 4] = 0.1
    X[np.flatnonzero(plate.negcon)[0], 4] = np.nextafter(np.float32(0.1), np.float32(1))
    plate = Plate(plate.name, plate.rows, X, plate.wells)
    for method in (DmsoWithin(), DmsoWithin(exchangeable=False)):
        assert not method.fit([plate]).transform(plate)[:, 4].any()


def test_a_small_but_real_spread_is_not_taken_for_none(screen: Any) -> None:
    plate = screen(awkward=False, sites=(1,))[0]
    X = plate.X.copy()
    X[:, 4] = 1000 + 0.01 * np.random.default_rng(0).standard_normal(len(X))  # 164 float32 steps per sd
    plate = Plate(plate.name, plate.rows, X, plate.wells)
    fitted = DmsoWithin(exchangeable=False).fit([plate])
    assert len(fitted.report()) == 0
    np.testing.assert_allclose(fitted.transform(plate)[:, 4], scaled(plate, plate.negcon)[:, 4], atol=1e-4)


def test_a_control_far_off_scale_costs_the_others_no_precision(screen: Any) -> None:
    """The total minus a well would keep about 1e18 * 2^-53 = 100 of error in a sum of squares near 1."""
    plate = screen(awkward=False, sites=(1,))[0]
    odd = int(np.flatnonzero(plate.negcon)[0])
    X = plate.X.copy()
    X[:, 5] = np.random.default_rng(2).normal(3, 1, len(X))
    X[odd, 5] = 1e9
    plate = Plate(plate.name, plate.rows, X, plate.wells)
    fitted = DmsoWithin().fit([plate])
    rest = plate.negcon & (np.arange(len(X)) != odd)
    mean, sd = X[rest, 5].astype(np.float64).mean(), X[rest, 5].astype(np.float64).std()
    position = fitted.reference_.index(plate.wells["well"][odd])
    np.testing.assert_allclose([fitted.mean_[position, 5], fitted.sd_[position, 5]], [mean, sd], rtol=1e-9)
    leaves_it_out = left_out_control(plate, fitted.reference_, 0) == position
    assert leaves_it_out.sum() > 1
    expected = (X[leaves_it_out, 5].astype(np.float64) - mean) / sd
    np.testing.assert_allclose(fitted.transform(plate)[leaves_it_out, 5], expected, rtol=1e-5)


def test_a_large_mean_costs_no_precision(screen: Any) -> None:
    plate = screen(awkward=False, sites=(1,))[0]
    X = np.round(np.random.default_rng(2).normal(1e6, 2, plate.X.shape) * 8).astype(np.float32) / 8
    plate = Plate(plate.name, plate.rows, X, plate.wells)
    np.testing.assert_allclose(
        DmsoWithin(exchangeable=False).fit([plate]).transform(plate), scaled(plate, plate.negcon), atol=1e-4
    )


def with_controls(screen: Any, k: int) -> Plate:
    plate: Plate = screen(sites=(2,))[0]
    controls = plate.wells.loc[plate.negcon, "well"].unique()
    demoted = plate.wells["well"].isin(controls[k:])
    return Plate(
        plate.name, plate.rows, plate.X, plate.wells.assign(role=plate.wells["role"].where(~demoted, "treated"))
    )


@pytest.mark.parametrize("exchangeable", [True, False])
@pytest.mark.parametrize("k", [0, 1, 2])
def test_fewer_than_three_control_wells_are_refused_however_many_sites_they_have(
    screen: Any, k: int, exchangeable: bool
) -> None:
    with pytest.raises(InputError, match=rf"plate 'p10' has {k} negative control wells, at least 3"):
        DmsoWithin(exchangeable=exchangeable).fit([with_controls(screen, k)])


def test_few_controls_are_warned_about_and_eight_are_not(screen: Any, recwarn: pytest.WarningsRecorder) -> None:
    for k, warned in ((3, 1), (7, 1), (8, 0)):
        recwarn.clear()
        DmsoWithin().fit([with_controls(screen, k)])
        assert [w.category for w in recwarn.list] == [FewControlsWarning] * warned, k


def test_controls_keep_mean_zero_and_unit_sd_in_the_textbook_form(screen: Any) -> None:
    profiles: Profiles = screen(awkward=False)
    for plate in profiles:
        Z = DmsoWithin(exchangeable=False).fit([plate]).transform(plate)[plate.negcon].astype(np.float64)
        np.testing.assert_allclose(Z.mean(axis=0), 0, atol=1e-5)
        np.testing.assert_allclose(Z.std(axis=0), 1, rtol=1e-4)
