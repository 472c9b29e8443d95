from __future__ import annotations

from typing import Any

import numpy as np

from harness.core.profiles import Plate
from harness.norm.all_within import AllWithin


def test_filled_rows_of_each_plate_get_mean_zero_and_sd_one_and_empty_wells_are_not_read(screen: Any) -> None:
    for plate in screen():
        Z = AllWithin().fit([plate]).transform(plate)
        x = plate.X.astype(np.float64)
        filled = x[plate.filled]
        expected = (x - filled.mean(axis=0)) / np.where(filled.std(axis=0) > 0, filled.std(axis=0), 1)
        expected[:, 0] = 0  # constant
        np.testing.assert_allclose(Z, expected, rtol=2e-5, atol=2e-5)
        assert not Z[:, 0].any()
        alone = AllWithin(on_constant="leave").fit([plate]).transform(plate)
        np.testing.assert_array_equal(alone[:, 0], plate.X[:, 0])
        np.testing.assert_array_equal(alone[:, 1:], Z[:, 1:])
        emptied = plate.X.copy()
        emptied[~plate.filled] += 1e6
        other = Plate(plate.name, plate.rows, emptied, plate.wells)
        np.testing.assert_array_equal(AllWithin().fit([other]).transform(other)[plate.filled], Z[plate.filled])


def test_roles_other_than_empty_do_not_matter(screen: Any) -> None:
    plate = screen()[0]
    wells = plate.wells.assign(role=plate.wells["role"].replace({"negcon": "treated", "poscon": "negcon"}))
    other = Plate(plate.name, plate.rows, plate.X, wells)
    np.testing.assert_array_equal(AllWithin().fit([other]).transform(other), AllWithin().fit([plate]).transform(plate))


def test_a_feature_constant_on_the_plate_is_reported_and_others_are_not(screen: Any) -> None:
    for on_constant, word in (("centre", "centred"), ("leave", "left alone")):
        table = AllWithin(on_constant=on_constant).fit([screen()[1]]).report()  # type: ignore[arg-type]
        assert table.to_dict("records") == [{"plate": "p9", "feature_number": 0, "fallback": word, "share": 1.0}]


def test_a_plate_needs_no_controls(screen: Any) -> None:
    plate = screen(awkward=False)[0]
    bare = Plate(plate.name, plate.rows, plate.X, plate.wells.assign(role="treated"))
    Z = AllWithin().fit([bare]).transform(bare).astype(np.float64)
    np.testing.assert_allclose(Z.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(Z.std(axis=0), 1, rtol=1e-4)
