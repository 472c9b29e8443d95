from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.evaluation import Split
from harness.core.exceptions import InputError
from harness.data.wells.aggregation import expand, well_table
from harness.split.base import Splitter
from harness.split.batch_pair import BatchPair
from harness.split.leave_batch_out import LeaveBatchOut
from harness.split.leave_plate_out import LeavePlateOut
from harness.split.random_wells import RandomWells

PARTITIONS: dict[str, Callable[..., Splitter]] = {
    "leave_batch_out": LeaveBatchOut,
    "leave_plate_out": LeavePlateOut,
    "leave_plate_out in 3": lambda **options: LeavePlateOut(n_folds=3, **options),
    "random_wells": RandomWells,
    "random_wells in 2": lambda **options: RandomWells(n_folds=2, **options),
}
each = pytest.mark.parametrize("name", PARTITIONS)


def table(plates_in: tuple[int, ...], n_wells: int = 12, seed: int = 0) -> pd.DataFrame:
    """One row per well: batches of unequal numbers of plates, plates of unequal numbers of wells and controls."""
    rng = np.random.default_rng(seed)
    rows = []
    for b, n in enumerate(plates_in):
        for p in range(n):
            k = int(rng.integers(3, 6))
            for w in range(n_wells + p):
                role = "negcon" if w < k else "poscon" if w == k else "empty" if w == k + 1 else "treated"
                compound = {"negcon": "DMSO", "poscon": "taxol", "empty": ""}.get(role, f"c{rng.integers(6)}")
                rows.append((f"b{b}_p{p}", f"{chr(65 + w % 16)}{w // 16 + 1:02d}", f"b{b}", role, compound))
    return pd.DataFrame(rows, columns=["plate", "well", "batch", "role", "compound"])


SCREENS = st.builds(
    table,
    st.lists(st.integers(1, 3), min_size=2, max_size=4).map(tuple).filter(lambda p: sum(p) >= 3),
    st.integers(8, 20),
    st.integers(0, 99),
)


def sides(wells: pd.DataFrame, split: Split) -> tuple[set[Any], set[Any]]:
    key = wells["plate"] + "/" + wells["well"]
    return set(key[split.train]), set(key[split.test])


@each
@settings(max_examples=15, deadline=None)
@given(wells=SCREENS, seed=st.integers(0, 1000))
def test_every_well_is_tested_exactly_once_and_never_trained_on_there(
    name: str, wells: pd.DataFrame, seed: int
) -> None:
    folds = list(PARTITIONS[name](seed=seed).split(wells))
    tested = np.sum([fold.test for fold in folds], axis=0)
    np.testing.assert_array_equal(tested, 1)
    for fold in folds:
        assert fold.train.dtype == fold.test.dtype == bool
        np.testing.assert_array_equal(fold.train, ~fold.test)
    assert len({fold.name for fold in folds}) == len(folds)


@each
@pytest.mark.parametrize("disjoint", [False, True])
@settings(max_examples=15, deadline=None)
@given(wells=SCREENS, seed=st.integers(0, 1000))
def test_folds_do_not_depend_on_the_order_of_rows(name: str, disjoint: bool, wells: pd.DataFrame, seed: int) -> None:
    splitter = PARTITIONS[name](compound_disjoint=disjoint)
    shuffled = wells.sample(frac=1, random_state=seed).reset_index(drop=True)
    straight = {fold.name: sides(wells, fold) for fold in splitter.split(wells)}
    assert {fold.name: sides(shuffled, fold) for fold in splitter.split(shuffled)} == straight


@pytest.mark.parametrize("name", ["leave_batch_out", "leave_plate_out", "leave_plate_out in 3"])
@settings(max_examples=15, deadline=None)
@given(wells=SCREENS)
def test_groups_are_held_out_whole(name: str, wells: pd.DataFrame) -> None:
    column = "batch" if name == "leave_batch_out" else "plate"
    for fold in PARTITIONS[name]().split(wells):
        assert not set(wells[column][fold.train]) & set(wells[column][fold.test])


def test_leave_batch_out_names_folds_by_batch_and_leave_plate_out_by_plate() -> None:
    wells = table((2, 1))
    assert [f.name for f in LeaveBatchOut().split(wells)] == ["b0", "b1"]
    assert [f.name for f in LeavePlateOut().split(wells)] == ["b0_p0", "b0_p1", "b1_p0"]


@settings(max_examples=25, deadline=None)
@given(wells=SCREENS, n_folds=st.integers(2, 5), seed=st.integers(0, 1000))
def test_random_wells_deal_controls_and_others_of_each_plate_evenly(
    wells: pd.DataFrame, n_folds: int, seed: int
) -> None:
    if len(wells) < n_folds * 3:
        return
    dealt = np.stack([f.test for f in RandomWells(n_folds=n_folds, seed=seed).split(wells)])
    for _, rows in wells.groupby(["plate", "role"]).indices.items():
        counts = dealt[:, rows].sum(axis=1)
        assert counts.max() - counts.min() <= 1


@pytest.mark.parametrize("n_folds", [2, 3, 4])
def test_wells_left_over_after_dealing_go_to_any_fold(n_folds: int) -> None:
    """A single positive control per plate: over 300 plates every fold gets its share."""
    wells = table((300,), n_wells=8)
    counts = [int((wells["role"][f.test] == "poscon").sum()) for f in RandomWells(n_folds=n_folds).split(wells)]
    assert sum(counts) == 300
    expected = 300 / n_folds
    assert max(abs(np.array(counts) - expected)) < 4 * np.sqrt(expected)


def test_random_wells_of_a_plate_do_not_depend_on_the_other_plates() -> None:
    wells = table((2, 2))
    part = wells[wells["batch"] == "b0"].reset_index(drop=True)
    whole = np.stack([f.test for f in RandomWells(n_folds=4).split(wells)])[:, : len(part)]
    alone = np.stack([f.test for f in RandomWells(n_folds=4).split(part)])
    np.testing.assert_array_equal(whole, alone)


def test_another_seed_deals_other_wells_and_other_plates() -> None:
    wells = table((9, 6))
    for make in (RandomWells, lambda **o: LeavePlateOut(n_folds=3, **o)):
        one, two = ([f.test.tobytes() for f in make(seed=s).split(wells)] for s in (0, 1))  # type: ignore[operator]
        assert one != two


@each
def test_sites_of_a_well_stay_on_one_side(name: str, screen: Any) -> None:
    profiles = screen()
    wells = well_table(profiles.wells)
    key = (profiles.wells["plate"] + "/" + profiles.wells["well"]).to_numpy()
    for fold in PARTITIONS[name]().split(wells):
        train, test = expand(fold.train, profiles.wells), expand(fold.test, profiles.wells)
        assert len(train) == len(profiles.wells)
        assert not set(key[train]) & set(key[test])
        assert set(key[test]) == sides(wells, fold)[1]


def test_random_wells_dealt_over_sites_keep_a_well_together(screen: Any) -> None:
    profiles = screen()
    for fold in RandomWells().split(profiles.wells):
        assert not set.intersection(*sides(profiles.wells, fold))


@settings(max_examples=25, deadline=None)
@given(wells=SCREENS, seed=st.integers(0, 1000))
def test_compound_disjoint_keeps_every_compound_on_one_side_and_drops_nothing_else(
    wells: pd.DataFrame, seed: int
) -> None:
    plain = list(LeaveBatchOut(seed=seed).split(wells))
    for fold, whole in zip(LeaveBatchOut(seed=seed, compound_disjoint=True).split(wells), plain, strict=True):
        carries = ((wells["role"] != "negcon") & (wells["compound"] != "")).to_numpy()
        trained, tested = (set(wells["compound"][side & carries]) for side in (fold.train, fold.test))
        assert not trained & tested
        for side, before in ((fold.train, whole.train), (fold.test, whole.test)):
            assert not (side & ~before).any()
            np.testing.assert_array_equal(side[~carries], before[~carries])
        shared = set(wells["compound"][whole.train & carries]) & set(wells["compound"][whole.test & carries])
        lone = carries & ~wells["compound"].isin(shared).to_numpy()
        np.testing.assert_array_equal(fold.train[lone], whole.train[lone])
        np.testing.assert_array_equal(fold.test[lone], whole.test[lone])
        kept_somewhere = set(wells["compound"][(fold.train | fold.test) & carries])
        assert kept_somewhere == set(wells["compound"][carries])


@pytest.mark.parametrize("unknown", ["", None, np.nan])
def test_wells_without_a_compound_stay_under_compound_disjoint(unknown: Any) -> None:
    wells = table((2, 2))
    treated = wells["role"] == "treated"
    nameless = treated & (np.arange(len(wells)) % 2 == 0)
    wells["compound"] = wells["compound"].astype(object).mask(nameless, unknown)
    for fold in LeaveBatchOut(compound_disjoint=True).split(wells):
        assert (fold.train | fold.test)[nameless].all()


def test_compounds_are_dealt_to_both_sides() -> None:
    rows = [("p0", "b0"), ("p1", "b1")]
    wells = pd.concat(
        [
            pd.DataFrame({"plate": p, "well": range(400), "batch": b, "role": "treated"}).assign(
                compound=[f"c{i}" for i in range(400)]
            )
            for p, b in rows
        ],
        ignore_index=True,
    )
    for fold in LeaveBatchOut(compound_disjoint=True).split(wells):
        assert 150 < fold.test.sum() < 250
        assert fold.test.sum() + fold.train.sum() == 400


def test_compounds_that_lie_in_one_batch_each_lose_nothing() -> None:
    wells = table((2, 3, 1))
    own = (wells["role"] == "treated") | (wells["role"] == "poscon")
    wells["compound"] = wells["compound"].where(~own, wells["batch"] + wells["compound"])
    for fold in LeaveBatchOut(compound_disjoint=True).split(wells):
        assert (fold.train | fold.test).all()


def test_compound_disjoint_without_compounds_is_refused() -> None:
    with pytest.raises(InputError, match=r"needs the column `compound`; map it with data\.columns\.compound"):
        list(LeaveBatchOut(compound_disjoint=True).split(table((1, 1)).drop(columns="compound")))


def test_a_batch_pair_uses_only_the_named_batches() -> None:
    wells = table((1, 2, 1, 1))
    (fold,) = BatchPair(train=["b0", "b3"], test="b1").split(wells)
    assert set(wells["batch"][fold.train]) == {"b0", "b3"}
    assert set(wells["batch"][fold.test]) == {"b1"}
    assert (fold.train | fold.test).sum() == wells["batch"].isin(["b0", "b1", "b3"]).sum()
    assert fold.name == "b1"


@pytest.mark.parametrize(
    ("splitter", "plates", "message"),
    [
        (LeaveBatchOut(), (3,), r"found 1 batch \['b0'\]; at least 2 .*batch=regex"),
        (BatchPair(train="b0", test="b1"), (3,), r"found 1 batch \['b0'\]"),
        (BatchPair(train=["b0", "x"], test="b1"), (1, 1), r"unknown batches \['x'\]; the data have \['b0', 'b1'\]"),
        (
            BatchPair(train=["b0", "b1"], test=["b1"]),
            (1, 1),
            r"batches \['b1'\] are in both split.train and split.test",
        ),
        (BatchPair(train=[], test=["b1"]), (1, 1), r"fold 'b1' has no training wells"),
        (BatchPair(train=["b1"], test=[]), (1, 1), r"fold '' has no test wells"),
        (LeavePlateOut(), (1,), r"1 folds of 1 plates; choose from 2 to 1"),
        (LeavePlateOut(n_folds=4), (2, 1), r"4 folds of 3 plates; choose from 2 to 3"),
        (LeavePlateOut(n_folds=1), (2, 1), r"1 folds of 3 plates"),
        (RandomWells(n_folds=1), (2, 1), r"n_folds=1; random_wells needs at least 2"),
    ],
)
def test_impossible_splits_are_refused_by_name(splitter: Splitter, plates: tuple[int, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        list(splitter.split(table(plates)))


def test_a_splitter_that_leaks_is_stopped() -> None:
    class Leaky(Splitter):
        def folds(self, wells: pd.DataFrame) -> Any:
            everyone = np.ones(len(wells), dtype=bool)
            yield Split("leaky", everyone, everyone)

    with pytest.raises(InputError, match="fold 'leaky' has wells on both sides"):
        list(Leaky().split(table((1, 1))))
