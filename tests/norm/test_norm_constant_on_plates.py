"""A threshold that is constant on each plate and differs between plates: it must not carry the plate through a norm."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.audit.batch_probe import BatchProbe
from harness.core.exceptions import InputError
from harness.core.profiles import Profiles
from harness.norm.all_within import AllWithin
from harness.norm.base import Normalizer
from harness.norm.dmso_within import DmsoWithin
from harness.norm.engine.normalize import normalize
from harness.norm.raw import Raw
from harness.norm.robust_within import RobustWithin
from harness.norm.well_position import WellPosition
from harness.numerics.constant_features import centres

pytestmark = pytest.mark.slow


def screen(*, threshold: bool) -> Profiles:
    """3 batches x 2 plates x 96 wells, 16 DMSO at random places, 40 compounds; the last feature is the threshold."""
    rng = np.random.default_rng(0)
    effects = rng.normal(0, 0.6, (40, 10)) * (rng.random((40, 1)) < 0.5)
    names = [f"{row}{column:02d}" for row in "ABCDEFGH" for column in range(1, 13)]
    shifts = np.repeat(rng.normal(0, 1.5, (3, 10)), 2, axis=0) + rng.normal(0, 0.5, (6, 10))
    parts, tables = [], []
    for plate, shift in enumerate(shifts):
        order = rng.permutation(96)
        compound = np.full(96, -1)
        compound[order[16:]] = np.arange(80) % 40
        moved = np.where(compound[:, None] < 0, 0, effects[compound])
        values = rng.normal(10, 1, (96, 10)) + shift + moved
        parts.append(np.column_stack([values, np.full(96, 0.02 + 0.011 * plate)]))
        role = np.where(compound < 0, "negcon", "treated")
        table = {"plate": f"P{plate}", "well": names, "batch": f"Week{plate // 2}", "role": role}
        table |= {"row": np.repeat(np.arange(1, 9), 12), "column": np.tile(np.arange(1, 13), 8)}
        tables.append(pd.DataFrame(table))
    X = np.concatenate(parts).astype(np.float32)
    return Profiles(X if threshold else np.ascontiguousarray(X[:, :-1]), pd.concat(tables, ignore_index=True))


def probed(normalizer: Normalizer, *, threshold: bool) -> float:
    """Balanced accuracy of telling the batch from control wells, plates held out."""
    profiles = normalize(screen(threshold=threshold), normalizer)
    context: Any = SimpleNamespace(
        profiles=profiles,
        normalize=lambda given: lambda _: given,
        normalizer=Raw(),
        aggregate="median",
        n_resamples=10,
        seed=0,
    )
    findings = {finding.key: finding.value for finding in BatchProbe(n_permutations=1).findings(context)}
    return findings["batch_effect/probe_trees_balanced_accuracy"]


@pytest.mark.parametrize("method", [DmsoWithin, AllWithin, RobustWithin, WellPosition])
def test_the_batch_is_told_no_better_with_the_constant_than_without_it(method: type[Normalizer]) -> None:
    without = probed(method(), threshold=False)
    assert probed(method(), threshold=True) == without
    assert probed(method(on_constant="leave"), threshold=True) > without + 0.1, "the origin's rule carries the plate"


def test_the_constant_is_0_and_reported_for_every_plate() -> None:
    reports: list[pd.DataFrame] = []
    Z = normalize(screen(threshold=True), DmsoWithin(), report=reports.append).X
    assert not Z[:, -1].any()
    told = pd.concat(reports)
    assert sorted(told["plate"]) == [f"P{i}" for i in range(6)]
    assert set(told["feature_number"]) == {10}
    assert set(told["fallback"]) == {"centred"}


@pytest.mark.parametrize("value", ["center", "", None, True, 0, "Centre"])
def test_anything_but_centre_and_leave_is_refused_before_a_plate_is_read(value: Any, member: Any) -> None:
    with pytest.raises(InputError, match=r"DmsoWithin: on_constant .* is unknown; choose centre .* or leave"):
        centres("DmsoWithin", value)
    for name in ("all_within", "combat", "coral", "direct_standardization", "dmso_across", "quantile", "ratio", "tvn"):
        normalizer = member("norm", name).set_params(on_constant=value)
        with pytest.raises(InputError, match="on_constant"):
            normalize(screen(threshold=True), normalizer)
