from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.core.evaluation import Split
from harness.core.exceptions import InputError
from harness.core.profiles import Profiles
from harness.data.demo import Demo
from harness.split.leave_batch_out import LeaveBatchOut
from harness.task.assay_activity import AssayActivity
from harness.task.labels.base import TakesLabels

N = 30
FEW: dict[str, Any] = {"min_active": 2, "min_inactive": 3}


def wells() -> pd.DataFrame:
    """Two batches of unequal size: compound i has 1 + i % 3 wells; the first 18 compounds lie in b1, the others in b2.

    c00 also stands on each plate as a positive control, DMSO is the negative one.
    """
    rows = []
    for batch, compounds in (("b1", range(18)), ("b2", range(18, N))):
        rows += [(batch, "negcon", "DMSO")] * 4 + [(batch, "poscon", "c00"), (batch, "empty", "")]
        rows += [(batch, "treated", f"c{i:02d}") for i in compounds for _ in range(1 + i % 3)]
    table = pd.DataFrame(rows, columns=["batch", "role", "compound"])
    return table.assign(plate="p" + table["batch"], well=[f"w{i}" for i in range(len(table))])


def planted() -> pd.DataFrame:
    """`split` has both classes in both batches, `first` only in b1; `thin` has one active, `one` only inactives."""
    table = pd.DataFrame({"compound": [f"c{i:02d}" for i in range(N)] + ["DMSO", "elsewhere"]})
    i = np.arange(len(table))
    table["split"] = (i % 5 == 0).astype(float)
    table["first"] = np.where(i < 18, i % 2, np.nan)
    table["thin"] = np.where(i < 20, (i == 3).astype(float), np.nan)
    table["one"] = np.where(i % 3 == 0, 0.0, np.nan)
    return table


def bound(**settings: Any) -> AssayActivity:
    return AssayActivity(**{**FEW, **settings}).bind(wells(), planted())


def test_the_label_of_a_well_is_that_of_its_compound_and_only_treated_wells_take_part() -> None:
    task, table = bound(), wells()
    assert (task.name, task.unit, tuple(task.groups)) == ("assay_activity", "compound", ("split", "first"))
    y = task.labels(table)
    assert y.shape == (len(table), 2)
    assert y.dtype == np.float64
    truth = planted().set_index("compound")
    for row, found in zip(table.itertuples(), y, strict=True):
        expected = truth.loc[row.compound, ["split", "first"]] if row.role == "treated" else [np.nan, np.nan]
        np.testing.assert_array_equal(found, np.asarray(expected, dtype=float))


def test_counts_are_of_compounds_in_the_data_not_of_wells_nor_of_labels() -> None:
    assays = bound().tables()["assays"].set_index("assay")
    assert assays["n_active"].to_dict() == {"split": 6, "first": 9, "thin": 1, "one": 0}
    assert assays["n_inactive"].to_dict() == {"split": 24, "first": 9, "thin": 19, "one": 10}
    assert assays["base_rate"].to_dict() == pytest.approx({"split": 0.2, "first": 0.5, "thin": 0.05, "one": 0})
    assert assays["kept"].to_dict() == {"split": True, "first": True, "thin": False, "one": False}
    assert assays.loc["one", "reason"] == "0 active compounds, fewer than 2"
    assert assays.loc["split", "reason"] == ""
    both = bound(min_active=6, min_inactive=20)
    assert tuple(both.groups) == ("split",)
    table = both.tables()["assays"].set_index("assay")
    assert table.loc["one", "reason"] == "0 active compounds, fewer than 6 and 10 inactive compounds, fewer than 20"


def test_the_report_and_the_line_say_what_matched() -> None:
    task = bound()
    report = task.tables()["labels_report"].set_index("what")["n"]
    assert report["compounds matched"] == report["compounds in the data"] == N
    assert report["compounds in the labels"] == N + 2
    assert report["negative controls with labels, ignored"] == 1
    assert report["compounds of the labels without wells"] == 1
    assert task.summary() == (
        "assay_activity: 30 of 30 compounds have labels (32 compounds in the labels); 2 of 4 assays have at least "
        "2 active and 3 inactive ones"
    )


def test_labels_do_not_depend_on_the_order_of_wells_and_survive_a_trip_to_another_process() -> None:
    task, table = bound(), wells()
    order = np.random.default_rng(5).permutation(len(table))
    again = AssayActivity(**FEW).bind(table.iloc[order], planted())
    assert tuple(again.groups) == tuple(task.groups)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(again)).labels(table), task.labels(table))


def test_neither_the_wells_nor_the_unbound_task_are_changed() -> None:
    table, task = wells(), AssayActivity(**FEW)
    before = table.copy()
    assert isinstance(task, TakesLabels)
    assert task.bind(table, planted()) is not task
    pd.testing.assert_frame_equal(table, before)
    with pytest.raises(RuntimeError, match="bind"):
        task.labels(table)


def test_wells_that_are_relabelled_as_controls_lose_their_labels() -> None:
    task, table = bound(), wells()
    table.loc[table["compound"] == "c05", "role"] = "negcon"
    y = task.labels(table)
    assert np.isnan(y[(table["compound"] == "c05").to_numpy()]).all()
    assert (~np.isnan(y)).any()


def test_no_assay_with_enough_compounds_is_refused_with_the_counts_of_the_best() -> None:
    with pytest.raises(InputError, match="none of 4 assays has at least 10 active and 10 inactive") as told:
        AssayActivity().bind(wells(), planted())
    assert "the best, 'first', has 9 active and 9 inactive: lower task.assay_activity.min_active" in str(told.value)
    for wrong in (0, 2.5, True):
        with pytest.raises(InputError, match=r"task\.assay_activity\.min_active=.*: expected a whole number"):
            AssayActivity(min_active=wrong)  # type: ignore[arg-type]


def test_a_fold_is_refused_only_where_no_assay_has_both_classes_on_both_sides() -> None:
    table = wells()
    folds = list(LeaveBatchOut().split(table))
    for fold in folds:
        bound().check(table, fold)  # `first` has no label in b2; `split` has both classes everywhere
    only = bound(assays=["first"])
    for fold, (both_train, train, both_test, test) in zip(folds, ((0, 0, 1, 18), (1, 18, 0, 0)), strict=True):
        sides = f"{both_train} have both among {train} training compounds, {both_test} among {test} held out"
        with pytest.raises(InputError, match=f"fold '{fold.name}' none of 1 assays .*: {sides}") as told:
            only.check(table, fold)
        assert "leave_compounds_out" in str(told.value)


@pytest.mark.parametrize("side", ["train", "test"])
def test_one_class_on_one_side_is_enough_to_be_refused(side: str) -> None:
    table, task = wells(), bound()
    y = task.labels(table)
    active = (y == 1).any(axis=1)
    fold = Split("odd", active, ~active) if side == "train" else Split("odd", ~active, active)
    with pytest.raises(InputError, match="fold 'odd'"):
        task.check(table, fold)


def test_a_categorical_column_makes_one_assay_per_class_and_controls_have_none() -> None:
    table = wells()
    number = table["compound"].str[1:].where(table["role"] == "treated")
    table["moa"] = number.map(lambda n: "DMSO" if pd.isna(n) else f"class {int(n) % 4}")
    task = AssayActivity(column="moa", min_active=7, min_inactive=20).bind(table, planted())
    assert tuple(task.groups) == ("class 0", "class 1", "class 2", "class 3")
    y = task.labels(table)
    treated = (table["role"] == "treated").to_numpy()
    np.testing.assert_array_equal(np.nansum(y[treated], axis=1), 1)
    assert np.isnan(y[~treated]).all()


def test_a_file_is_used_in_place_of_the_planted_truth(tmp_path: Path) -> None:
    labels = pd.DataFrame({"sid": [f"c{i:02d}" for i in range(N)], "77": [1 if i < 8 else -1 for i in range(N)]})
    labels.to_csv(tmp_path / "labels.csv", index=False)
    values = {"active": [1], "inactive": [-1]}
    task = AssayActivity(path=str(tmp_path / "labels.csv"), compound="sid", values=values, assays=[77], **FEW)
    assert tuple(task.bind(wells(), planted()).groups) == ("77",)
    with pytest.raises(InputError, match=r"unknown label values '-1' \(22 times\)"):
        AssayActivity(path=str(tmp_path / "labels.csv"), compound="sid").bind(wells(), None)
    with pytest.raises(InputError, match="no labels were named"):
        AssayActivity().bind(wells(), None)


def test_the_simulated_screen_brings_its_own_labels(demo: Profiles) -> None:
    truth = Demo(size="tiny").tables()["assays"]
    task = AssayActivity(**FEW).bind(demo.wells, truth)
    treated = set(demo.wells.loc[demo.wells["role"] == "treated", "compound"])
    here = truth[truth["compound"].isin(treated)].set_index("compound")
    for name, n in zip(task.tables()["assays"]["assay"], task.tables()["assays"]["n_active"], strict=True):
        assert n == (here[name] == 1).sum()
    row = int(np.flatnonzero((demo.wells["role"] == "treated").to_numpy())[7])
    expected = here.loc[demo.wells["compound"].iloc[row], list(task.groups)].to_numpy(float)
    np.testing.assert_array_equal(task.labels(demo.wells)[row], expected)


def test_the_yaml_builds_it(member: Callable[..., Any]) -> None:
    task = member("task", "assay_activity", "task.assay_activity.values.inactive=[-1]")
    assert task.values == {"active": [1], "inactive": [-1], "missing": []}
    assert (task.min_active, task.min_inactive, task.duplicates) == (10, 10, "error")


def test_the_fingerprint_follows_the_labels_of_compounds_in_the_data_and_nothing_else() -> None:
    one, task, table = bound().fingerprint(), AssayActivity(**FEW), planted()
    assert task.bind(wells(), table.sample(frac=1, random_state=3)).fingerprint() == one
    assert task.bind(wells(), table.replace({"compound": {"elsewhere": "nowhere"}})).fingerprint() == one
    changed = table.assign(split=table["split"].where(table["compound"] != "c05", 0.0))
    assert task.bind(wells(), changed).fingerprint() != one
