from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from promises import assert_empty_wells_are_not_read, assert_small_differences_survive_at_a_large_level

from harness.core.profiles import Plate, Profiles
from harness.norm.engine.normalize import normalize
from harness.norm.well_mean import WellMean


def output(profiles: Profiles) -> Any:
    return normalize(profiles, WellMean(), aggregate="none").X


def test_each_row_loses_the_mean_of_its_position_over_all_plates_and_batches(screen: Any) -> None:
    """Positions have unequal numbers of plates and sites; the mean is over rows."""
    profiles = screen(n_plates=7, awkward=False)
    wells, X = profiles.wells, profiles.X.astype(np.float64)
    Z = output(profiles)
    filled = (wells["role"] != "empty").to_numpy()
    for well in wells["well"].unique():
        own = (wells["well"] == well).to_numpy()
        mean = X[own & filled].mean(axis=0) if (own & filled).any() else 0
        np.testing.assert_allclose(Z[own], X[own] - mean, rtol=1e-5, atol=1e-4)


def test_empty_wells_are_not_read(screen: Any) -> None:
    assert_empty_wells_are_not_read(output, screen(awkward=False))


def test_a_position_that_no_plate_fills_keeps_its_profile() -> None:
    wells = pd.DataFrame({"plate": list("ppqq"), "well": ["A01", "A02"] * 2, "batch": "b"})
    wells["role"] = ["empty", "treated", "empty", "negcon"]
    X = np.array([[5, 1], [10, 2], [7, 3], [20, 6]], dtype=np.float32)
    np.testing.assert_array_equal(output(Profiles(X, wells)), [[5, 1], [-5, -2], [7, 3], [5, 2]])


def test_a_position_unseen_while_fitting_keeps_its_profile(screen: Any) -> None:
    first, second, *_ = list(screen(awkward=False))
    kept = Plate(second.name, second.rows, second.X, second.wells.assign(well="Z99"))
    np.testing.assert_array_equal(WellMean().fit([first]).transform(kept), second.X)


def test_a_gradient_that_all_plates_share_is_removed_and_plates_keep_their_own_level(screen: Any) -> None:
    profiles = screen(awkward=False)
    wells = profiles.wells
    gradient = np.outer(wells["row"] * 3.0 - wells["column"] * 7.0, np.arange(1, profiles.X.shape[1] + 1))
    shifted = profiles.replace(X=(profiles.X + gradient).astype(np.float32))
    np.testing.assert_allclose(output(shifted), output(profiles), atol=1e-3)


def test_on_a_fixed_layout_what_stands_in_a_well_on_every_plate_is_removed(noise_screen: Any) -> None:
    """The same addition to one position on m of n plates leaves 1 - m / n of it there."""
    profiles = noise_screen(n_plates=12, n_features=5)
    wells = profiles.wells
    for m in (1, 3, 12):
        X = profiles.X.copy()
        hit = (wells["well"] == "B03").to_numpy() & wells["plate"].isin([f"p{i:02d}" for i in range(m)]).to_numpy()
        X[hit] += 600
        moved = output(profiles.replace(X=X)) - output(profiles)
        np.testing.assert_allclose(moved[hit], 600 * (1 - m / 12), atol=1e-3)
        np.testing.assert_allclose(moved[(wells["well"] != "B03").to_numpy()], 0, atol=1e-6)


def test_levels_far_from_zero_do_not_cost_precision() -> None:
    plates = [f"p{i}" for i in range(6)]
    assert_small_differences_survive_at_a_large_level(output, plates=plates, wells=["A01"] * 6)
