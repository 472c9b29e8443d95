from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from harness.core.exceptions import InputError
from harness.split.leave_batch_out import LeaveBatchOut
from harness.task.dmso_vs_treated import DmsoVsTreated

ROLES = ["negcon", "treated", "poscon", "empty", "treated", "negcon"]


def wells(second: list[str]) -> pd.DataFrame:
    table = pd.DataFrame({"plate": ["p1"] * 6 + ["p2"] * len(second), "role": ROLES + second})
    return table.assign(batch=table["plate"].replace({"p1": "b1", "p2": "b2"}), well=range(len(table)))


def test_labels_are_one_for_treated_zero_for_controls_and_none_for_the_rest() -> None:
    y = DmsoVsTreated().labels(wells([]))
    assert y.dtype == np.float64
    np.testing.assert_array_equal(y, [0, 1, np.nan, np.nan, 1, 0])


@pytest.mark.parametrize(
    ("second", "held_out", "message"),
    [
        (["treated", "poscon"], 1, "fold 'b2' has no negative controls among its held-out wells"),
        (["negcon", "poscon"], 1, "fold 'b2' has no treated wells among its held-out wells"),
        (["treated", "empty"], 0, "fold 'b1' has no negative controls among its training wells"),
        (["negcon", "poscon"], 0, "fold 'b1' has no treated wells among its training wells"),
    ],
)
def test_a_fold_that_lacks_a_class_on_a_side_is_refused(second: list[str], held_out: int, message: str) -> None:
    table = wells(second)
    split = list(LeaveBatchOut().split(table))[held_out]
    with pytest.raises(InputError, match=message):
        DmsoVsTreated().check(table, split)


def test_a_fold_with_both_classes_on_both_sides_passes() -> None:
    table = wells(["negcon", "treated"])
    for split in LeaveBatchOut().split(table):
        DmsoVsTreated().check(table, split)
