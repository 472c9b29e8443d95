"""Folds of wells: who leaves which statistics."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from harness.core.exceptions import InputError
from harness.core.profiles import Plate
from harness.norm.engine.crossfit import check_folds, fold_of


def plate(n_wells: int, sites: int = 2) -> Plate:
    names = np.repeat([f"w{i}" for i in range(n_wells)], sites)
    wells = pd.DataFrame({"plate": "p1", "well": names, "role": "treated"})
    return Plate("p1", slice(0, len(wells)), np.zeros((len(wells), 1), dtype=np.float32), wells)


def by_well(folds: np.ndarray, of: Plate) -> pd.Series:
    table = pd.DataFrame({"well": of.wells["well"], "fold": folds})
    assert (table.groupby("well")["fold"].max() == table.groupby("well")["fold"].min()).all()
    return table.groupby("well")["fold"].first()


def test_controls_are_dealt_evenly_and_other_wells_share_their_folds_in_proportion() -> None:
    """7 controls in 5 folds: two folds hold 2 of them, and 2/7 of the other wells each; 5 sd of 2,000 draws."""
    some = plate(2007)
    controls = [f"w{i}" for i in range(7)]
    fold = by_well(fold_of(some, controls, 5, 0), some)
    sizes = fold[controls].value_counts().reindex(range(5), fill_value=0)
    assert sorted(sizes) == [1, 1, 1, 2, 2]
    share = fold.drop(controls).value_counts(normalize=True).reindex(range(5), fill_value=0)
    assert (abs(share - sizes / 7) < 5 * np.sqrt(2 / 7 * 5 / 7 / 2000)).all()


def test_no_well_takes_a_fold_without_controls() -> None:
    some = plate(300)
    controls = ["w4", "w9", "w11"]
    fold = by_well(fold_of(some, controls, 5, 0), some)
    assert set(fold) == set(fold[controls])
    assert fold[controls].nunique() == 3


def test_without_controls_wells_are_hashed_to_every_fold_and_one_fold_is_all_zero() -> None:
    some = plate(300)
    assert set(fold_of(some, [], 5, 0)) == set(range(5))
    assert not fold_of(some, ["w1", "w2"], 1, 0).any()


def test_fewer_than_two_folds_are_refused() -> None:
    check_folds("combat", 2)
    with pytest.raises(InputError, match="combat: n_folds is 1; expected at least 2"):
        check_folds("combat", 1)
