from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf
from places import ROOT

from harness.batch import assign_batches
from harness.batch.column import Column
from harness.batch.ranges import Ranges
from harness.batch.regex import Regex
from harness.core.exceptions import InputError
from harness.core.profiles import Profiles

CONF = ROOT / "conf" / "batch"


def profiles(*plates: str, fingerprint: str = "f", **columns: Any) -> Profiles:
    """Two wells per plate."""
    wells = pd.DataFrame({"plate": np.repeat(plates, 2), "well": ["A01", "B01"] * len(plates)})
    wells = wells.assign(batch="", role=["negcon", "treated"] * len(plates), **columns)
    X = np.arange(4.0 * len(plates), dtype=np.float32).reshape(-1, 2)
    return Profiles(X, wells, fingerprint=fingerprint)


def batches(screen: Profiles, member: Any) -> dict[str, str]:
    wells = assign_batches(screen, member).wells
    return dict(zip(wells["plate"], wells["batch"], strict=True))


def test_column_keeps_text_and_numbers_as_ids() -> None:
    screen = profiles("a", "b", week=[3.0, 3.0, 12.0, 12.0])
    assert batches(screen, Column(column="week")) == {"a": "3", "b": "12"}


def test_regex_takes_the_first_group_or_the_whole_match() -> None:
    screen = profiles("Week1_22123", "Week10_40111")
    assert batches(screen, Regex(pattern=r"^(Week\d+)_(\d)")) == {"Week1_22123": "Week1", "Week10_40111": "Week10"}
    assert batches(screen, Regex(pattern=r"\d+$")) == {"Week1_22123": "22123", "Week10_40111": "40111"}
    barcodes = profiles("p", "q", barcode=["x-1", "x-1", "y-2", "y-2"])
    assert batches(barcodes, Regex(pattern="[a-z]", column="barcode")) == {"p": "x", "q": "y"}


def test_ranges_include_both_ends_and_a_batch_may_have_several() -> None:
    screen = profiles("24277", "24300", "SQ00024301", "26796")
    member = Ranges(ranges={1: [24277, 24300], "b": [[24301, 24400], [26000, 26796]]})  # type: ignore[dict-item]
    assert batches(screen, member) == {"24277": "1", "24300": "1", "SQ00024301": "b", "26796": "b"}


def test_only_batches_and_fingerprint_change() -> None:
    screen = profiles("1", "2")
    done = assign_batches(screen, Ranges(ranges={"b": [1, 2]}))
    other = assign_batches(screen, Ranges(ranges={"b": [1, 1], "c": [2, 2]}))
    assert set(screen.wells["batch"]) == {""}
    assert done.X is screen.X
    pd.testing.assert_frame_equal(done.wells.drop(columns="batch"), screen.wells.drop(columns="batch"))
    assert len({screen.fingerprint, done.fingerprint, other.fingerprint}) == 3
    assert assign_batches(profiles("1", fingerprint=""), Ranges(ranges={"b": [1, 2]})).fingerprint == ""


@pytest.mark.parametrize(
    ("screen", "member", "culprits"),
    [
        (profiles("a"), Column(column="Week"), ["'Week'", "'plate'", "batch=regex", "batch=ranges"]),
        (profiles("a"), Column(), ["'batch' is empty", "'plate'", "batch=regex", "batch=ranges"]),
        (profiles("a", "b", w=["1", "1", None, None]), Column(column="w"), ["'w'", "['b']"]),
        (profiles("a", "b", w=["1", "1", "2", "3"]), Column(column="w"), ["'b'", "['2', '3']"]),
        (profiles("W1_a", "X_b", "X_c"), Regex(pattern=r"W(\d)"), ["2 plates ['X_b', 'X_c']"]),
        (profiles("W1_a", "W_b"), Regex(pattern=r"W(\d)?"), ["['W_b']"]),
        (profiles("a"), Regex(pattern="("), ["'('", "regular expression"]),
        (profiles("a"), Regex(pattern="a", column="barcode"), ["'barcode'", "'plate'"]),
        (profiles("1", "7", "9"), Ranges(ranges={"b": [1, 5]}), ["['7', '9']", "no range"]),
        (profiles("x"), Ranges(ranges={"b": [1, 5]}), ["['x']", "batch=regex"]),
        (profiles("W1_22"), Ranges(ranges={"b": [1, 50]}), ["['W1_22']", "batch=regex"]),
        (profiles("1"), Ranges(ranges={"b": [1, 5], "c": [5, 9]}), ["[1, 5] of 'b'", "[5, 9] of 'c'"]),
        (profiles("1"), Ranges(ranges={"b": [5, 1]}), ["[5, 1]", "'b'"]),
        (profiles("1"), Ranges(ranges={"b": [1]}), ["[1]", "'b'"]),
        (profiles("1"), Ranges(ranges={"b": [[1, 2], ["3", 4]]}), ["['3', 4]"]),
        (profiles("1"), Ranges(ranges={"b": 7}), ["7", "'b'"]),  # type: ignore[dict-item]
        (profiles("1"), Ranges(ranges={}), ["empty"]),
    ],
)
def test_refusals_name_the_culprit_in_one_line(screen: Profiles, member: Any, culprits: list[str]) -> None:
    with pytest.raises(InputError) as error:
        assign_batches(screen, member)
    assert "\n" not in str(error.value)
    for culprit in culprits:
        assert culprit in str(error.value)


def test_a_member_that_leaves_a_plate_out_is_refused() -> None:
    class Half:
        def assign(self, profiles: Profiles) -> pd.Series:
            return profiles.wells["plate"].where(profiles.wells["plate"] == "a")

    with pytest.raises(InputError, match=r"no batch for plates \['b'\]"):
        assign_batches(profiles("a", "b"), Half())


def test_configurations() -> None:
    assert isinstance(instantiate(OmegaConf.load(CONF / "column.yaml")), Column)
    regex, ranges = OmegaConf.load(CONF / "regex.yaml"), OmegaConf.load(CONF / "ranges.yaml")
    assert OmegaConf.is_missing(regex, "pattern")
    assert OmegaConf.is_missing(ranges, "ranges")
    regex.pattern = r"\d"
    ranges.ranges = {1: [1, 2], "two": [[3, 4], [8, 9]]}
    screen = profiles("p1", "p8")
    assert batches(screen, instantiate(regex, _convert_="all")) == {"p1": "1", "p8": "8"}
    assert batches(screen, instantiate(ranges, _convert_="all")) == {"p1": "1", "p8": "two"}
