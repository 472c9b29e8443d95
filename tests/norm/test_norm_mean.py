from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from promises import assert_empty_wells_are_not_read, assert_small_differences_survive_at_a_large_level

from harness.core.profiles import Profiles
from harness.norm.engine.normalize import normalize
from harness.norm.mean import Mean


def output(profiles: Profiles) -> Any:
    return normalize(profiles, Mean(), aggregate="none").X


def test_each_row_loses_the_mean_of_the_filled_rows_of_its_batch(screen: Any) -> None:
    profiles = screen(n_plates=7, awkward=False)
    wells, X = profiles.wells, profiles.X.astype(np.float64)
    Z = output(profiles)
    for batch in wells["batch"].unique():
        own = (wells["batch"] == batch).to_numpy()
        filled = own & (wells["role"] != "empty").to_numpy()
        np.testing.assert_allclose(Z[own], X[own] - X[filled].mean(axis=0), rtol=1e-5, atol=1e-4)
        np.testing.assert_allclose(Z[filled].mean(axis=0, dtype=np.float64), 0, atol=1e-4 * X.std(axis=0).max())


def test_a_batch_is_read_as_a_whole_and_nothing_beyond_it(screen: Any) -> None:
    profiles = screen(n_plates=6, n_batches=3, awkward=False)
    wells, X = profiles.wells, profiles.X.copy()
    X[(wells["plate"] == "p10").to_numpy()] += 100
    before, after = output(profiles), output(profiles.replace(X=X))
    same_batch = (wells["batch"] == "b3").to_numpy()
    np.testing.assert_array_equal(before[~same_batch], after[~same_batch])
    assert (np.abs(before - after)[same_batch & (wells["plate"] != "p10").to_numpy()] > 10).all()


def test_empty_wells_are_not_read_and_roles_do_not_matter_otherwise(screen: Any) -> None:
    profiles = screen(awkward=False)
    assert_empty_wells_are_not_read(output, profiles)
    roles = profiles.wells["role"].replace({"negcon": "treated", "poscon": "negcon"})
    np.testing.assert_array_equal(output(profiles.replace(wells=profiles.wells.assign(role=roles))), output(profiles))


def test_plates_weigh_by_their_rows_and_their_order_does_not_matter(screen: Any) -> None:
    profiles = screen(n_plates=5, n_batches=2, awkward=False)
    wells = profiles.wells
    order = np.concatenate([np.flatnonzero((wells["plate"] == p).to_numpy()) for p in wells["plate"].unique()[::-1]])
    turned = profiles.replace(X=profiles.X[order], wells=wells.iloc[order])
    np.testing.assert_allclose(output(turned), output(profiles)[order], rtol=1e-5, atol=1e-4)


def test_small_differences_at_a_large_level_survive() -> None:
    wells = [f"A0{i}" for i in range(1, 7)]
    assert_small_differences_survive_at_a_large_level(output, plates=["p"] * 6, wells=wells)


@pytest.mark.parametrize("value", [1e7 + 1, 0.1, 1 / 3, 1e-30, -3e37])
def test_a_feature_constant_in_the_batch_is_0_to_the_bit_and_reported(screen: Any, value: float) -> None:
    """As far as float32 can tell: some rows differ in the last bit."""
    profiles = screen(awkward=False)
    X = profiles.X.copy()
    X[:, 4] = value
    X[::7, 4] = np.nextafter(X[::7, 4], np.float32(np.inf))
    reports: list[Any] = []
    assert not normalize(profiles.replace(X=X), Mean(), aggregate="none", report=reports.append).X[:, 4].any()
    expected = [{"plate": f"batch b{b}", "feature_number": 4, "fallback": "centred", "share": 1.0} for b in (3, 2, 1)]
    assert [record for report in reports for record in report.to_dict("records")] == expected


def test_a_phenotype_that_follows_the_batch_goes_with_it_and_one_within_batches_stays(screen: Any) -> None:
    profiles = screen(awkward=False)
    treated = (profiles.wells["role"] == "treated").to_numpy()
    batch = (profiles.wells["batch"] == "b2").to_numpy()
    X = profiles.X.copy()
    X[batch] += 1000
    np.testing.assert_allclose(output(profiles.replace(X=X)), output(profiles), atol=2e-3)
    X = profiles.X.copy()
    X[treated] += 1000
    moved = output(profiles.replace(X=X)) - output(profiles)
    for b in profiles.wells["batch"].unique():
        own = (profiles.wells["batch"] == b).to_numpy()
        np.testing.assert_allclose(
            moved[own & treated].mean(axis=0) - moved[own & ~treated].mean(axis=0), 1000, atol=0.01
        )
