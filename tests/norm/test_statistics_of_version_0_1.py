"""Statistics that version 0.1 saved load, and transform to the same numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harness.core.profiles import Profiles
from harness.norm.engine import serialization
from harness.norm.engine.stage import FittedStage

# of four plates with 14 methods, by the module paths, class names and attributes of version 0.1: ``extra`` holds the
# normalizers, fitted and for plate p3, the profiles and the transformed plate p3
FILE = Path(__file__).with_name("statistics_of_version_0_1.npz")
METHODS = [
    "combat", "coral", "direct_standardization", "dmso_across", "dmso_within", "quantile", "sphering", "sva", "tvn",
    "rank", "ratio", "well_position", "cell_count",
]  # fmt: skip


@pytest.fixture(scope="module")
def extra() -> dict[str, object]:
    return serialization.load_with_extra(FILE)[1]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_old_statistics_transform_to_the_numbers_of_that_time(extra: dict, method: str) -> None:  # type: ignore[type-arg]
    plate = Profiles(extra["X"], pd.DataFrame(extra["wells"]))[3]
    expected = extra["expected"][method]
    of_plate = extra["normalizers"][f"{method}, plate p3"]
    np.testing.assert_allclose(of_plate.transform(plate), expected, rtol=1e-5, atol=1e-5)
    ready = extra["normalizers"][method]
    profiles = Profiles(extra["X"], pd.DataFrame(extra["wells"]))
    again = FittedStage(ready, profiles).normalizer_for(profiles[3]).transform(profiles[3])
    np.testing.assert_allclose(again, expected, rtol=1e-5, atol=1e-5)


def test_the_steps_of_an_old_chain_load(extra: dict) -> None:  # type: ignore[type-arg]
    stages = extra["normalizers"]["chain"].stages()
    assert [type(stage).__name__ for stage in stages] == ["DmsoWithin", "Sphering"]
    assert stages[1].matrix_.shape[-1] == 6
