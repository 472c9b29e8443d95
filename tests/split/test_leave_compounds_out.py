from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.exceptions import InputError
from harness.split.leave_compounds_out import LeaveCompoundsOut


def table(n_plates: int, n_compounds: int, *, seed: int = 0, unknown: int = 0) -> pd.DataFrame:
    """Unequal plates: 5 to 8 controls, a positive control and an empty well each, compounds drawn at random."""
    rng = np.random.default_rng(seed)
    rows = []
    for p in range(n_plates):
        controls = [("negcon", "DMSO")] * int(rng.integers(5, 9))
        treated = [("treated", f"c{rng.integers(n_compounds)}") for _ in range(20 + p)]
        wells = [*controls, ("poscon", "taxol"), ("empty", ""), *treated, *[("treated", "")] * unknown]
        rows += [(f"p{p}", f"{chr(65 + w % 16)}{w // 16 + 1:02d}", f"b{p // 2}", *who) for w, who in enumerate(wells)]
    return pd.DataFrame(rows, columns=["plate", "well", "batch", "role", "compound"])


SCREENS = st.builds(table, st.integers(1, 4), st.integers(4, 12), seed=st.integers(0, 99))


@settings(max_examples=25, deadline=None)
@given(wells=SCREENS, n_folds=st.integers(2, 4), seed=st.integers(0, 1000))
def test_every_compound_is_held_out_once_and_never_trained_on_there(
    wells: pd.DataFrame, n_folds: int, seed: int
) -> None:
    folds = list(LeaveCompoundsOut(n_folds=n_folds, seed=seed).split(wells))
    assert len(folds) == n_folds == len({fold.name for fold in folds})
    np.testing.assert_array_equal(np.sum([fold.test for fold in folds], axis=0), 1)
    by_compound = wells["role"].isin(["treated", "poscon"]).to_numpy()
    control = (wells["role"] == "negcon").to_numpy()
    for fold in folds:
        np.testing.assert_array_equal(fold.train, ~fold.test)
        assert not set(wells["compound"][fold.train & by_compound]) & set(wells["compound"][fold.test & by_compound])
        assert (fold.train & control).any()
        assert (fold.test & control).any()
    held_out = [wells["compound"][fold.test & by_compound].nunique() for fold in folds]
    assert max(held_out) - min(held_out) <= 1
    for _, rows in wells[control].groupby("plate").groups.items():
        counts = [int(fold.test[rows].sum()) for fold in folds]
        assert max(counts) - min(counts) <= 1


@settings(max_examples=15, deadline=None)
@given(wells=SCREENS, seed=st.integers(0, 1000))
def test_folds_do_not_depend_on_the_order_of_rows_nor_on_other_plates_controls(wells: pd.DataFrame, seed: int) -> None:
    shuffled = wells.sample(frac=1, random_state=seed).reset_index(drop=True)

    def held_out(given: pd.DataFrame) -> dict[str, set[str]]:
        key = given["plate"] + "/" + given["well"]
        return {fold.name: set(key[fold.test]) for fold in LeaveCompoundsOut(n_folds=3).split(given)}

    assert held_out(shuffled) == held_out(wells)


def test_another_seed_deals_other_compounds_and_other_controls() -> None:
    wells = table(3, 12)
    control = (wells["role"] == "negcon").to_numpy()
    one, two = ([f.test for f in LeaveCompoundsOut(seed=s).split(wells)] for s in (0, 1))
    for rows in (control, ~control):
        assert any((a[rows] != b[rows]).any() for a, b in zip(one, two, strict=True))


def test_wells_of_an_unknown_compound_stand_on_no_side_and_a_warning_counts_them() -> None:
    wells = table(2, 8, unknown=3)
    unknown = ((wells["role"] == "treated") & (wells["compound"] == "")).to_numpy()
    with pytest.warns(UserWarning, match="split: 6 wells without a compound are on neither side"):
        folds = list(LeaveCompoundsOut(n_folds=3).split(wells))
    for fold in folds:
        assert not (fold.train | fold.test)[unknown].any()
        assert (fold.train | fold.test)[~unknown].all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(LeaveCompoundsOut(n_folds=3).split(wells[~unknown]))


def test_a_screen_without_controls_is_dealt_by_compound_alone() -> None:
    wells = table(2, 8)
    wells = wells[wells["role"] == "treated"].reset_index(drop=True)
    np.testing.assert_array_equal(np.sum([fold.test for fold in LeaveCompoundsOut(n_folds=4).split(wells)], axis=0), 1)


def test_what_cannot_be_dealt_is_refused() -> None:
    wells = table(2, 3)
    with pytest.raises(InputError, match=r"needs the column `compound`; map it with data\.columns\.compound"):
        list(LeaveCompoundsOut().split(wells.drop(columns="compound")))
    with pytest.raises(InputError, match="n_folds=5 of 4 compounds"):
        list(LeaveCompoundsOut().split(wells))
    with pytest.raises(InputError, match="n_folds=1 of 4 compounds"):
        list(LeaveCompoundsOut(n_folds=1).split(wells))
