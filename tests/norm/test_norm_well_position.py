from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from control_norms import SEEDS, auroc_of_norm, standard_error

from harness.core.arrays import Doubles
from harness.core.exceptions import InputError
from harness.core.profiles import Plate, Profiles
from harness.data.wells.aggregation import sites_to_wells, well_codes
from harness.norm.engine.crossfit import fold_of
from harness.norm.engine.normalize import normalize
from harness.norm.well_position import WellPosition
from harness.numerics.median_polish import position_effects

pytestmark = pytest.mark.filterwarnings("ignore::harness.norm.engine.exchangeable.FewControlsWarning")


def naive_polish(values: dict[tuple[int, int], float]) -> tuple[dict[int, float], dict[int, float], float]:
    """Tukey's median polish of one feature by loops: row and column effects and the plate's median."""
    plate = float(np.median(list(values.values())))
    rest = {at: v - plate for at, v in values.items()}
    effects: tuple[dict[int, float], dict[int, float]] = ({}, {})
    before = 0.0
    for _ in range(10):
        for axis in (0, 1):
            for line in {at[axis] for at in rest}:
                step = float(np.median([v for at, v in rest.items() if at[axis] == line]))
                effects[axis][line] = effects[axis].get(line, 0.0) + step
                rest = {at: v - step if at[axis] == line else v for at, v in rest.items()}
        after = sum(abs(v) for v in rest.values())
        if after == 0 or abs(after - before) < 0.01 * after:
            break
        before = after
    return *effects, plate


def naive_expected(well: pd.DataFrame, x: Doubles, read: Any) -> Doubles:
    """What naive effects of the wells in ``read`` say of every well."""
    at = list(zip(well["row"], well["column"], strict=True))
    rows, columns, plate = naive_polish({p: float(v) for p, v, r in zip(at, x, read, strict=True) if r})
    effects = ((rows, np.median(list(rows.values()))), (columns, np.median(list(columns.values()))))
    return np.array(
        [plate + sum(known.get(i, other) for (known, other), i in zip(effects, p, strict=True)) for p in at]
    )


def mad(x: Any) -> float:
    return 1.4826 * float(np.median(np.abs(x - np.median(x))))


def by_well(plate: Plate) -> tuple[pd.DataFrame, Doubles]:
    table = plate.wells.drop_duplicates("well").set_index("well", drop=False)
    medians = [np.median(plate.X[(plate.wells["well"] == w).to_numpy()], axis=0) for w in table["well"]]
    return table, np.array(medians, dtype=np.float64)


@pytest.mark.parametrize("sites", [(1,), (1, 2, 3), (4,)])
def test_residuals_of_a_naive_median_polish_over_their_mad(screen: Any, sites: tuple[int, ...]) -> None:
    for plate in screen(awkward=False, n_plates=3, n_wells=36, sites=sites):
        Z = WellPosition().fit([plate]).transform(plate)
        table, X = by_well(plate)
        filled = (table["role"] != "empty").to_numpy()
        for g in range(X.shape[1]):
            expected = naive_expected(table, X[:, g], filled)
            centre = pd.Series(expected, index=table["well"]).loc[plate.wells["well"]].to_numpy()
            scale = mad(X[filled, g] - expected[filled])
            np.testing.assert_allclose(Z[:, g], (plate.X[:, g] - centre) / scale, rtol=1e-3, atol=1e-3)


def test_with_controls_each_fold_is_polished_without_itself_and_scaled_out_of_fold(screen: Any) -> None:
    plate = screen(awkward=False, n_wells=36, n_controls=20, sites=(1, 2))[0]
    Z = WellPosition(reference="controls", n_folds=3, seed=2).fit([plate]).transform(plate)
    table, X = by_well(plate)
    negcon = (table["role"] == "negcon").to_numpy()
    folds = fold_of(plate, sorted(table["well"][negcon]), 3, 2)
    fold = np.array([folds[(plate.wells["well"] == w).to_numpy()][0] for w in table["well"]])
    for f in range(3):
        others = [g for g in range(3) if g != f]
        for g in range(X.shape[1]):
            x = X[:, g]
            expected = naive_expected(table, x, negcon & (fold != f))
            rest = [
                (x - naive_expected(table, x, negcon & ~np.isin(fold, [f, h])))[negcon & (fold == h)] for h in others
            ]
            centre = pd.Series(expected, index=table["well"]).loc[plate.wells["well"]].to_numpy()
            z = (plate.X[:, g] - centre) / mad(np.concatenate(rest))
            np.testing.assert_allclose(Z[folds == f, g], z[folds == f], rtol=1e-3, atol=1e-3)


def test_textbook_controls_are_polished_all_at_once(screen: Any) -> None:
    plate = screen(awkward=False, n_wells=36, n_controls=20, sites=(1,))[0]
    Z = WellPosition(reference="controls", exchangeable=False).fit([plate]).transform(plate)
    table, X = by_well(plate)
    negcon = (table["role"] == "negcon").to_numpy()
    for g in range(X.shape[1]):
        rest = X[:, g] - naive_expected(table, X[:, g], negcon)
        np.testing.assert_allclose(Z[:, g], rest / mad(rest[negcon]), rtol=1e-3, atol=1e-3)


def gradient(plate: Plate) -> Any:
    return 3.0 * plate.wells["row"].to_numpy() ** 2 - 5.0 * plate.wells["column"].to_numpy()


@pytest.mark.parametrize("reference", ["all", "controls"])
def test_a_gradient_along_rows_and_columns_goes(screen: Any, reference: str) -> None:
    plate = screen(awkward=False, n_wells=36, n_controls=26, sites=(1,))[0]
    noise = np.random.default_rng(3).normal(0, 1e-3, plate.X.shape)
    X = (gradient(plate)[:, None] * np.arange(1, 11) + noise + 100).astype(np.float32)
    plate = Plate(plate.name, plate.rows, X, plate.wells)
    Z = WellPosition(reference=reference).fit([plate]).transform(plate)
    assert np.abs(Z[plate.filled]).max() < 60
    assert np.abs(np.corrcoef(Z[plate.filled, 9], gradient(plate)[plate.filled])[0, 1]) < 0.5


def test_missing_rows_take_the_median_effect_of_the_others() -> None:
    X = np.array([[0], [10], [1], [11], [5], [15]], dtype=np.float32)
    row, column = np.array([0, 0, 1, 1, 3, 3]), np.array([0, 1, 0, 1, 0, 1])
    plate, rows, columns = position_effects(X, row, column, (4, 2))
    assert rows[2, 0] == np.median(rows[[0, 1, 3], 0])
    np.testing.assert_allclose(plate + rows[row] + columns[column], X, atol=1e-6)


def test_a_fixed_layout_loses_its_compound_and_a_scattered_one_does_not(screen: Any) -> None:
    plate = screen(awkward=False, n_wells=36, n_controls=4, sites=(1,))[0]
    scattered = ((plate.wells["row"] + plate.wells["column"]) % 5 == 0).to_numpy()
    kept = []
    for active in ((plate.wells["column"] == 3).to_numpy(), scattered):
        X = plate.X + (50 * plate.X.std(axis=0) * active[:, None]).astype(np.float32)
        Z = WellPosition().fit([plate]).transform(Plate(plate.name, plate.rows, X, plate.wells))
        moved = WellPosition().fit([Plate(plate.name, plate.rows, X, plate.wells)])
        after = moved.transform(Plate(plate.name, plate.rows, X, plate.wells)) * moved.sd_[0]
        kept.append(np.median(after[active]) / np.median(Z[active] * WellPosition().fit([plate]).sd_[0]))
    assert kept[0] < 0.1
    assert kept[1] > 0.9


@pytest.mark.parametrize(("on_constant", "word"), [("centre", "centred"), ("leave", "left alone")])
def test_features_without_mad_are_centred_or_left_alone_and_reported(screen: Any, on_constant: Any, word: str) -> None:
    plate = screen(n_wells=36, n_controls=20, sites=(1,))[0]
    fitted = WellPosition(on_constant=on_constant).fit([plate])
    expected = np.zeros(len(plate.X)) if on_constant == "centre" else plate.X[:, 0]
    np.testing.assert_array_equal(fitted.transform(plate)[:, 0], expected)
    assert list(fitted.report()["feature_number"]) == [0]
    fitted = WellPosition(reference="controls", on_constant=on_constant).fit([plate])
    np.testing.assert_array_equal(fitted.transform(plate)[:, 0], expected)
    assert {(0, word), (1, "all wells")} <= set(
        fitted.report()[["feature_number", "fallback"]].itertuples(index=False, name=None)
    )


def test_a_feature_that_most_wells_share_keeps_the_distance_of_the_few(screen: Any) -> None:
    plate = screen(awkward=False, n_wells=36, n_controls=20, sites=(1,))[0]
    X = plate.X.copy()
    X[:, 4] = 0.1
    X[np.flatnonzero(plate.filled)[3], 4] = 5.1
    plate = Plate(plate.name, plate.rows, X, plate.wells)
    np.testing.assert_array_equal(WellPosition().fit([plate]).transform(plate)[:, 4], X[:, 4] - np.float32(0.1))


def test_empty_wells_are_not_read(screen: Any) -> None:
    plate = screen(awkward=False)[0]
    X = plate.X.copy()
    X[~plate.filled] = 1e9
    a, b = (WellPosition().fit([p]).transform(p) for p in (plate, Plate(plate.name, plate.rows, X, plate.wells)))
    np.testing.assert_array_equal(a[plate.filled], b[plate.filled])


def test_the_middle_sites_of_a_well_are_enough(screen: Any) -> None:
    profiles = screen(sites=(1, 4, 6))
    whole = [sites_to_wells(WellPosition().fit([p]).transform(p), well_codes(p.wells), "median") for p in profiles]
    np.testing.assert_array_equal(normalize(profiles, WellPosition()).X, np.concatenate(whole))


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({"row": None}, {}, r"plate 'p10' has no columns \['row'\]"),
        ({"column": np.nan}, {}, r"well '[A-D]0\d' has no row or column"),
        ({"row": 1}, {}, r"reference wells \(all\) in 1 rows and 6 columns"),
        ({}, {"reference": "controls"}, r"4 reference wells \(controls\) in . rows"),
        ({}, {"reference": "dmso"}, r"reference 'dmso' is unknown; choose one of \['all', 'controls'\]"),
        ({}, {"n_folds": 1}, "n_folds is 1"),
    ],
)
def test_what_does_not_serve_is_refused(screen: Any, change: Any, options: Any, message: str) -> None:
    plate = screen(n_controls=4)[0]
    wells = plate.wells.assign(**change)
    wells = wells.drop(columns=[c for c, v in change.items() if v is None])
    with pytest.raises(InputError, match=message):
        WellPosition(**options).fit([Plate(plate.name, plate.rows, plate.X, wells)])


def placed(profiles: Profiles) -> Profiles:
    well = profiles.wells["well"]
    return profiles.replace(
        wells=profiles.wells.assign(row=[ord(w[0]) - 64 for w in well], column=well.str[1:].astype(int))
    )


def test_controls_are_given_away_by_the_textbook_form_on_controls_only(noise_screen: Any) -> None:
    """6 plates x 96 wells, 32 controls among wells like them, 8 screens; 4 standard errors of the mean (0.035)."""
    screens = [placed(noise_screen(seed=seed, n_plates=6, n_wells=96, k=32, n_features=40)) for seed in SEEDS]
    tolerance = 4 * standard_error(6 * 32, 6 * 64, len(SEEDS))
    assert np.mean([auroc_of_norm(s, WellPosition(reference="controls", exchangeable=False)) for s in screens]) > 0.9
    for method in (WellPosition(), WellPosition(reference="controls")):
        assert abs(np.mean([auroc_of_norm(s, method) for s in screens]) - 0.5) < tolerance
