"""The order of the rows of a plate decides nothing, not even beside a value that is far off scale."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from places import ROOT

from harness.core.profiles import Profiles
from harness.norm.combat_nonparametric import CombatNonparametric
from harness.norm.engine.normalize import fit, normalize
from harness.norm.engine.row_order import in_order

pytestmark = pytest.mark.slow

NAMES = sorted(path.stem for path in (ROOT / "conf" / "norm").glob("*.yaml"))
# sums of floats follow no order but that of the rows: these methods sort rows first, or add nothing up
TO_THE_BIT = {"combat", "combat_nonparametric", "noise", "oracle", "quantile", "rank", "raw", "robust_within",
              "shuffle", "well_position"}  # fmt: skip


def permuted(profiles: Profiles, seed: int) -> tuple[Profiles, Any]:
    rng = np.random.default_rng(seed)
    order = np.concatenate([rng.permutation(np.arange(p.rows.start, p.rows.stop)) for p in profiles])
    wells = profiles.wells.iloc[order]
    planted = None if profiles.planted is None else profiles.planted[order]
    return profiles.replace(X=profiles.X[order], wells=wells, planted=planted), order


def with_a_huge_value(profiles: Profiles, value: float) -> Profiles:
    X = profiles.X.copy()
    X[np.flatnonzero((profiles.wells["role"] == "treated").to_numpy())[2], 4] = value
    return profiles.replace(X=X)


@pytest.mark.filterwarnings("ignore::harness.norm.engine.exchangeable.FewControlsWarning")
@pytest.mark.parametrize("name", NAMES)
def test_permuting_wells_permutes_the_output_also_beside_a_huge_value(name: str, member: Any, screen: Any) -> None:
    """To the bit where no sum is taken in the order of rows, else within the rounding of float32."""
    normalizer = member("norm", name)
    for module in normalizer.requires:
        pytest.importorskip(module, reason=f"{name} needs the optional package {module}")
    profiles = with_a_huge_value(screen(awkward=False, planted=True), 1e12)
    straight = normalize(profiles, normalizer, aggregate="none").X
    for seed in (0, 1):
        other, order = permuted(profiles, seed)
        Z = normalize(other, normalizer, aggregate="none").X
        if name in TO_THE_BIT:
            np.testing.assert_array_equal(Z, straight[order])
        else:
            unit = np.abs(straight).max(axis=0)
            np.testing.assert_allclose(Z / unit, straight[order] / unit, atol=1e-5)


@pytest.mark.parametrize("value", [3e19, 1e20, 1e21])
def test_one_hot_weights_choose_the_same_feature_in_any_order(noise_screen: Any, value: float) -> None:
    """Two features with one huge value each: in the other batch they are alike to the last bits of their estimates.

    Whether they are alike enough for one to take the scale of the other, 1e-35 instead of 1, hangs on these bits.
    """
    profiles = noise_screen(n_plates=4, n_batches=2, n_wells=96, k=16, n_features=6)
    X, treated = profiles.X.copy(), np.flatnonzero((profiles.wells["role"] == "treated").to_numpy())
    X[treated[2], 0] = X[treated[9], 1] = value
    profiles = profiles.replace(X=X)
    straight = fit(profiles, CombatNonparametric())
    assert isinstance(straight, CombatNonparametric)
    for seed in range(8):
        fitted = fit(permuted(profiles, seed)[0], CombatNonparametric())
        assert isinstance(fitted, CombatNonparametric)
        for batch, delta in straight.delta_.items():
            np.testing.assert_array_equal(fitted.delta_[batch], delta)
            np.testing.assert_array_equal(fitted.gamma_[batch], straight.gamma_[batch])


@pytest.mark.parametrize("columns", [["plate", "well", "batch", "role", "site"], ["plate", "well", "batch", "role"]])
def test_rows_come_in_the_order_of_well_and_site_or_else_of_their_content(screen: Any, columns: list[str]) -> None:
    profiles = screen()
    profiles = profiles.replace(wells=profiles.wells[columns])
    other, _ = permuted(profiles, 3)
    for plate, again in zip(in_order(profiles), in_order(other), strict=True):
        np.testing.assert_array_equal(again.X, plate.X)
        pd.testing.assert_frame_equal(again.wells, plate.wells)
        assert plate.wells["well"].is_monotonic_increasing
        if "site" in columns:
            (once_more,) = in_order([plate])
            assert once_more is plate, "what is in order is not copied"
