from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.exceptions import InputError
from harness.data.wells.aggregation import aggregate, expand, sites_to_wells, well_codes, well_table


def grouped(profiles: Any, X: Any, how: str) -> Any:
    """One row per well in order of first appearance, by pandas in float64."""
    keys = [profiles.wells["plate"], profiles.wells["well"]]
    return pd.DataFrame(X.astype(np.float64)).groupby(keys, sort=False).agg(how).to_numpy()


@pytest.mark.parametrize("how", ["median", "mean"])
@pytest.mark.parametrize("sites", [(1, 2, 3), (6,), (4, 5), (30, 2)])
def test_wells_hold_the_median_or_mean_of_their_sites(screen: Any, how: str, sites: tuple[int, ...]) -> None:
    profiles = screen(sites=sites, planted=True, n_wells=12, n_controls=4)
    wells = aggregate(profiles, how)
    assert wells.X.dtype == np.float32
    np.testing.assert_allclose(wells.X, grouped(profiles, profiles.X, how), rtol=1e-6)
    np.testing.assert_allclose(wells.planted, grouped(profiles, profiles.planted, how), rtol=1e-5, atol=1e-6)
    assert wells.level == "well"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=60), st.integers(0, 9))
def test_any_number_of_sites_in_any_order(codes: list[int], seed: int) -> None:
    number = pd.factorize(np.array(codes))[0]
    Z = np.random.default_rng(seed).normal(50, 10, (len(codes), 3)).astype(np.float32)
    for how in ("median", "mean"):
        expected = pd.DataFrame(Z.astype(np.float64)).groupby(number).agg(how).to_numpy()
        np.testing.assert_allclose(sites_to_wells(Z, number, how), expected, rtol=1e-6)


@pytest.mark.parametrize("n", range(1, 27))
def test_the_median_network_is_right_for_every_number_of_sites(n: int) -> None:
    Z = np.random.default_rng(n).permutation(np.arange(n * 40, dtype=np.float32)).reshape(4 * n, 10)
    expected = np.median(Z.reshape(4, n, 10), axis=1)
    np.testing.assert_array_equal(sites_to_wells(Z, np.repeat(np.arange(4), n), "median"), expected)


def test_aggregation_changes_neither_its_input_nor_profiles_of_wells(screen: Any) -> None:
    profiles = screen()
    before = profiles.X.copy()
    aggregate(profiles, "median")
    np.testing.assert_array_equal(profiles.X, before)
    assert aggregate(profiles, "none") is profiles
    wells = screen(sites=(1,))
    assert aggregate(wells, "median") is wells


def test_an_unknown_method_is_refused(screen: Any) -> None:
    with pytest.raises(InputError, match="aggregate='max' is unknown"):
        aggregate(screen(), "max")


def test_the_table_of_wells_keeps_first_values_and_mean_cell_counts(screen: Any) -> None:
    rows = screen().wells
    table = well_table(rows)
    assert "site" not in table
    assert not table.duplicated(["plate", "well"]).any()
    expected = rows.groupby(["plate", "well"], sort=False)
    np.testing.assert_allclose(table["cell_count"], expected["cell_count"].mean())
    assert list(table["role"]) == list(expected["role"].first())
    assert list(table["moa"]) == list(expected["moa"].nth(0))
    assert list(zip(table["plate"], table["well"], strict=True)) == list(expected.groups)


def test_codes_count_wells_by_first_appearance_and_tell_plates_apart() -> None:
    wells = pd.DataFrame({"plate": ["p2", "p2", "p2", "p1", "p1"], "well": ["B1", "A1", "B1", "A1", "A1"]})
    np.testing.assert_array_equal(well_codes(wells), [0, 1, 0, 2, 2])


def test_a_mask_over_wells_covers_all_their_sites(screen: Any) -> None:
    rows = screen().wells
    table = well_table(rows)
    mask = np.random.default_rng(0).random(len(table)) < 0.3
    chosen = set(zip(table["plate"][mask], table["well"][mask], strict=True))
    expected = [key in chosen for key in zip(rows["plate"], rows["well"], strict=True)]
    np.testing.assert_array_equal(expand(mask, rows), expected)
    over_rows = np.arange(len(rows)) % 2 == 0
    np.testing.assert_array_equal(expand(over_rows, rows), over_rows)


def test_a_mask_of_another_length_is_refused(screen: Any) -> None:
    with pytest.raises(InputError, match="masks have 3 entries"):
        expand(np.ones(3, dtype=bool), screen().wells)
