from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harness.core.exceptions import InputError
from harness.core.profiles import Profiles
from harness.store.plate_subset import PlateSubset, sample_plates
from harness.store.store import load


def wells(*sizes: int) -> pd.DataFrame:
    """Batches of so many plates, three wells a plate; plates are not sorted by name."""
    batch = [f"b{b}" for b, n in enumerate(sizes) for _ in range(n)]
    plate = [f"p{(7 * i) % 1009:04d}" for i in range(len(batch))]
    table = pd.DataFrame({"plate": plate, "batch": batch}).loc[lambda t: t.index.repeat(3)].reset_index(drop=True)
    return table.assign(
        well=np.tile(["A01", "A02", "B01"], len(batch)), role=["negcon", "treated", "treated"] * len(batch)
    )


def counts(table: pd.DataFrame, chosen: list[str]) -> list[int]:
    batch = table.drop_duplicates("plate").set_index("plate")["batch"]
    return batch[chosen].value_counts().sort_index().tolist()


def test_every_batch_has_four_plates_or_all_and_the_rest_is_in_proportion() -> None:
    table = wells(40, 2, 10, 60)
    chosen = sample_plates(table, 3 * 28, seed=0)
    assert len(set(chosen)) == 28
    found = counts(table, chosen)
    assert found[1] == 2
    assert found[2] == 4
    assert found[0] + found[3] == 22
    assert found[3] / found[0] == pytest.approx(1.5, abs=0.3)
    order = list(table["plate"].unique())
    assert chosen == sorted(chosen, key=order.index)


def test_a_small_screen_is_taken_whole_and_draws_follow_the_seed() -> None:
    table = wells(5, 6)
    assert sample_plates(table, 33, seed=0) == list(table["plate"].unique())
    draws = [sample_plates(wells(30, 30), 30, seed) for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]


def test_fewer_plates_than_batches_need_is_refused() -> None:
    with pytest.raises(InputError, match=r"audit_wells=29: 3 batches need 10 plates, .* set audit_wells=30"):
        sample_plates(wells(8, 2, 9), 29, seed=0)


def test_packed_plates_are_those_of_the_screen_with_its_batches(tmp_path: Path) -> None:
    table = wells(5, 5)
    X = np.random.default_rng(0).normal(5, 2, (len(table), 4)).astype(np.float32)
    screen = Profiles(X, table, planted=X + 1, name="a screen", fingerprint="abc")
    chosen = sample_plates(table, 24, seed=3)
    some = load(PlateSubset(screen, chosen), tmp_path)
    keep = table["plate"].isin(chosen).to_numpy()
    np.testing.assert_array_equal(some.X, X[keep])
    np.testing.assert_array_equal(some.planted, X[keep] + 1)
    assert some.name == "a screen"
    pd.testing.assert_frame_equal(some.wells[list(table)], table[keep].reset_index(drop=True), check_dtype=False)
    other = screen.replace(wells=table.assign(batch=np.where(table["batch"] == "b0", "first", "second")))
    assert PlateSubset(other, chosen).key() != PlateSubset(screen, chosen).key()
