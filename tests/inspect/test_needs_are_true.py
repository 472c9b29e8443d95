"""What members declare as a need is what they refuse without, and a screen that has it all is normalized."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.core.exceptions import InputError, NotApplicable
from harness.core.profiles import Profiles
from harness.inspect.applicable import judge_members
from harness.inspect.facts import facts_of
from harness.norm.engine.normalize import normalize
from harness.split.leave_batch_out import LeaveBatchOut

pytestmark = pytest.mark.slow

Change = Callable[[Profiles], Profiles]


def controls_left(n: int, column: str) -> Change:
    """Leave ``n`` control wells in the first plate or batch; the others become empty."""

    def change(profiles: Profiles) -> Profiles:
        wells = profiles.wells
        first = (wells[column] == wells[column].iloc[0]) & (wells["role"] == "negcon")
        wanted = wells.loc[first, ["plate", "well"]].drop_duplicates().iloc[n:]
        gone = pd.MultiIndex.from_frame(wells[["plate", "well"]]).isin(pd.MultiIndex.from_frame(wanted))
        return profiles.replace(wells=wells.assign(role=np.where(gone, "empty", wells["role"])))

    return change


def some_batches(n: int) -> Change:
    def change(profiles: Profiles) -> Profiles:
        return profiles.take(profiles.wells["batch"].isin(profiles.wells["batch"].unique()[:n]).to_numpy())

    return change


CHANGES: dict[str, Change] = {
    "a plate with two controls": controls_left(2, "plate"),
    "a batch with two controls": controls_left(2, "batch"),
    "two batches": some_batches(2),
    "no cell counts": lambda p: p.replace(wells=p.wells.drop(columns="cell_count")),
    "no positions": lambda p: p.replace(wells=p.wells.drop(columns=["row", "column"])),
    "negative values": lambda p: p.replace(X=p.X - p.X.max(axis=0), planted=None),
    "nothing": lambda p: p.replace(planted=None),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_normalization_applies_if_and_only_if_it_can_be_fitted(change: str, screen: Any, member: Any) -> None:
    profiles = CHANGES[change](screen(n_plates=6, awkward=False, planted=True, sites=(1,)))
    facts = facts_of(profiles.wells, [profiles.X], simulated=profiles.planted is not None)
    fold = next(iter(LeaveBatchOut().split(profiles.wells)))  # the first batch is held out
    for norm in judge_members("norm", facts):
        if norm.reason == "harmonypy is not installed":
            continue
        normalizer = member("norm", norm.name)
        if change != "nothing" and not any(stage.needs for stage in normalizer.stages()):
            continue  # what needs nothing is tried once
        if not norm.reason:
            assert np.isfinite(normalize(profiles, normalizer, fold).X).all(), norm.name
            continue
        with pytest.raises((InputError, NotApplicable)):
            normalize(profiles, normalizer, fold)
