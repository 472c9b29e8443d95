"""Results are computed once, by their owner, and profiles of the same wells share the facts of these."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from harness.core.profiles import Profiles
from harness.core.result_cache import ResultCache
from harness.norm.engine.exchangeable import control_wells, left_out_control


def screen() -> Profiles:
    wells = pd.DataFrame(
        {
            "plate": np.repeat(["p0", "p1"], 6),
            "well": [f"A{i:02d}" for i in range(1, 7)] * 2,
            "batch": "b0",
            "role": ["negcon", "treated", "negcon", "treated", "negcon", "empty"] * 2,
            "dose": 1.0,
        }
    )
    return Profiles(np.arange(24, dtype=np.float32).reshape(12, 2), wells)


def test_a_result_is_computed_once_and_the_oldest_beyond_the_size_is_forgotten() -> None:
    calls: list[int] = []

    def make() -> list[int]:
        calls.append(1)
        return calls

    cache = ResultCache(size=2)
    assert cache.get("a", make) is cache.get("a", make)
    assert len(calls) == 1
    cache.get("b", make), cache.get("c", make), cache.get("b", make)
    assert len(calls) == 3
    cache.get("a", make)
    assert len(calls) == 4


def test_none_is_a_result() -> None:
    calls: list[int] = []
    cache = ResultCache()
    for _ in range(3):
        assert cache.get("nothing", lambda: calls.append(1)) is None
    assert len(calls) == 1


def test_a_cache_is_not_pickled() -> None:
    profiles = screen()
    profiles.cached("far too large", lambda: b"x" * 10**6)
    profiles[0].facts.cached("this too", lambda: b"x" * 10**6)
    stored = pickle.dumps(profiles)
    assert len(stored) < 10**5
    assert pickle.loads(stored).cached("far too large", lambda: 3) == 3


def test_profiles_of_the_same_wells_share_facts_and_others_do_not() -> None:
    profiles = screen()
    other = profiles.replace(X=profiles.X + 1)
    assert other[0].facts is profiles[0].facts is profiles.where(np.ones(12, dtype=bool))[0].facts
    assert other[0].negcon is profiles[0].negcon
    relabelled = profiles.replace(wells=profiles.wells.assign(role="treated"))
    assert relabelled[0].facts is not profiles[0].facts
    assert not relabelled[0].negcon.any()
    narrow = profiles.with_columns(["plate", "well", "batch", "role"])
    assert narrow[0].facts is profiles.with_columns(["plate", "well", "batch", "role"])[0].facts
    assert narrow[0].facts is not profiles[0].facts


def test_a_plate_with_another_table_has_other_facts() -> None:
    plate = screen()[0]
    swapped = replace(plate, wells=plate.wells.assign(role="negcon"))
    assert swapped.negcon.all()
    assert replace(plate, X=plate.X + 1).facts is plate.facts
    assert control_wells(plate) == ["A01", "A03", "A05"]
    assert len(control_wells(swapped)) == 6


def test_draws_of_one_table_differ_by_plate_name_reference_and_seed() -> None:
    plate = screen()[0]
    reference = control_wells(plate)
    draws = left_out_control(plate, reference, 0)
    assert left_out_control(plate, reference, 0) is draws
    assert not draws.flags.writeable
    assert [left_out_control(plate, reference, seed).tolist() for seed in range(20)] != [draws.tolist()] * 20
    named = [left_out_control(replace(plate, name=f"q{i}"), reference, 0).tolist() for i in range(20)]
    assert named != [draws.tolist()] * 20


def test_a_view_has_results_of_its_own_and_its_origin_those_of_all() -> None:
    profiles = screen()
    view = profiles.where(np.arange(12) < 6)
    assert profiles.cached("n", lambda: 12) == 12
    assert view.cached("n", lambda: 6) == 6
    assert view.origin.cached("n", lambda: 0) == 12
    with pytest.raises(ValueError, match="read-only"):
        profiles[0].negcon[0] = False
