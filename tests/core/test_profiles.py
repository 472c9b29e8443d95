from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.core.exceptions import InputError, NotApplicable
from harness.core.profiles import Profiles


def small(**changes: Any) -> Profiles:
    wells = pd.DataFrame(
        {
            "plate": ["p2", "p2", "p1", "p1", "p3"],
            "well": ["A01", "B01", "A01", "C01", "A01"],
            "batch": ["b2", "b2", "b1", "b1", "b2"],
            "role": ["negcon", "treated", "empty", "negcon", "poscon"],
        }
    )
    return Profiles(np.arange(10, dtype=np.float32).reshape(5, 2), wells.assign(**changes), name="small")


def test_plates_come_in_the_order_of_their_rows_with_their_own_rows() -> None:
    profiles = small()
    assert [plate.name for plate in profiles] == ["p2", "p1", "p3"]
    plate = profiles[1]
    np.testing.assert_array_equal(plate.X, profiles.X[2:4])
    assert plate.rows == slice(2, 4)
    assert list(plate.wells.index) == [0, 1]
    np.testing.assert_array_equal(plate.negcon, [False, True])
    np.testing.assert_array_equal(plate.filled, [False, True])
    assert [p.name for p in profiles[1:]] == ["p1", "p3"]
    assert profiles[-1].name == "p3"


def test_a_plate_is_a_view_so_that_nothing_is_read_before_it_is_asked_for() -> None:
    profiles = small()
    assert np.shares_memory(profiles[0].X, profiles.X)


def test_where_keeps_chosen_rows_and_drops_plates_without_any() -> None:
    profiles = small(site=1)
    view = profiles.where(np.array([False, True, False, False, True]))
    assert len(view) == 2
    assert [(plate.name, list(plate.wells["well"])) for plate in view] == [("p2", ["B01"]), ("p3", ["A01"])]
    np.testing.assert_array_equal(view[0].X, profiles.X[1:2])
    assert len(profiles) == 3


def test_where_of_where_is_the_intersection() -> None:
    view = small().where(np.array([True, True, True, False, False]))
    again = view.where(np.array([False, True, True, True, True]))
    assert [(p.name, list(p.wells["well"])) for p in again] == [("p2", ["B01"]), ("p1", ["A01"])]


def test_by_batch_groups_plates_that_are_not_neighbours() -> None:
    parts = small().by_batch()
    assert {name: [p.name for p in part] for name, part in parts.items()} == {"b2": ["p2", "p3"], "b1": ["p1"]}
    shown = small().where(np.array([False, False, True, False, False])).by_batch()
    assert list(shown) == ["b1"]


def test_planted_truth_follows_the_rows() -> None:
    profiles = small()
    planted = -profiles.X
    view = profiles.replace(planted=planted).where(np.array([False, True, True, True, True]))
    np.testing.assert_array_equal(view[0].planted, planted[1:2])
    taken = profiles.replace(planted=planted).take(np.array([False, True, False, False, True]))
    np.testing.assert_array_equal(taken.planted, planted[[1, 4]])
    assert list(taken.wells["plate"]) == ["p2", "p3"]
    assert list(taken.wells.index) == [0, 1]


def test_the_level_is_image_where_a_well_of_a_plate_has_several_rows() -> None:
    assert small().level == "well"
    assert small(well=["A01", "A01", "B01", "C01", "D01"]).level == "image"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"plate": ["p1", "p2", "p1", "p2", "p3"]}, "plate 'p1' is interleaved with other plates: sort the rows"),
        ({"batch": ["b2", "b1", "b1", "b1", "b2"]}, r"plate 'p2' lies in 2 batches \['b1', 'b2'\]"),
        ({"role": ["negcon", "DMSO", "empty", "negcon", "poscon"]}, r"unknown roles \['DMSO'\]; allowed are"),
    ],
)
def test_impossible_tables_are_refused_by_name(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        small(**changes)


def test_shapes_names_and_columns_must_fit() -> None:
    profiles = small()
    with pytest.raises(InputError, match=r"X has shape \(4, 2\), wells has 5 rows"):
        Profiles(profiles.X[:4], profiles.wells)
    with pytest.raises(InputError, match="1 feature names for 2 features"):
        Profiles(profiles.X, profiles.wells, features=["a"])
    with pytest.raises(InputError, match=r"wells lacks the columns \['role'\]"):
        Profiles(profiles.X, profiles.wells.drop(columns="role"))
    with pytest.raises(InputError, match=r"mask has shape \(3,\); expected \(5,\)"):
        profiles.where(np.ones(3, dtype=bool))


def test_not_applicable_carries_its_reason() -> None:
    with pytest.raises(NotApplicable) as caught:
        raise NotApplicable("one class only")
    assert caught.value.reason == "one class only"


def test_the_cache_of_wells_stays_as_long_as_the_images_do() -> None:
    cache: Any = object()
    profiles = small()
    profiles = profiles.replace(planted=-profiles.X, well_cache=cache)
    everything = np.ones(5, dtype=bool)
    for same in (profiles.replace(name="other"), profiles.replace(planted=None), profiles.where(everything)):
        assert same.well_cache is cache
    for other in (profiles.replace(X=profiles.X + 1), profiles.replace(planted=profiles.X), profiles.take(everything)):
        assert other.well_cache is None
