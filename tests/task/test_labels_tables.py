"""Readers of labels: every kind of file gives the labels it was written from, and says what it cannot use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.exceptions import InputError
from harness.task.labels.coding import Coding
from harness.task.labels.source import LabelSource
from harness.task.labels.tables import read_long, read_wide

PLAIN: dict[str, Any] = {"active": [1], "inactive": [0], "missing": []}
DEFAULTS: dict[str, Any] = {
    "path": None, "row_index": None, "column_index": None, "compound": "compound", "assay": None, "value": None,
    "column": None, "assays": None, "values": PLAIN, "duplicates": "error",
}  # fmt: skip


def read(path: Path, **settings: Any) -> pd.DataFrame:
    """Labels of a file, compounds in order of their ids."""
    labels = LabelSource(**{**DEFAULTS, "path": str(path), **settings}).labels(pd.DataFrame(), None)
    return labels.table(labels.compounds.sort_values())


def truth(n: int = 9, seed: int = 0) -> pd.DataFrame:
    """Ids that look like numbers, unequal numbers of labels per assay, a compound without any."""
    rng = np.random.default_rng(seed)
    y = rng.choice([1.0, 0.0, np.nan], size=(n, 3), p=[0.2, 0.5, 0.3])
    y[0], y[-1] = [1, 0, 0], np.nan
    return pd.DataFrame(y, index=[f"00{i}" for i in range(n)], columns=["600885", "a b", "x"])


TRUTH = truth()


def written(folder: Path, name: str) -> Path:
    path = folder / name
    table = TRUTH.rename_axis("compound").reset_index()
    if name.endswith(".parquet"):
        table.to_parquet(path)
    else:
        table.to_csv(path, index=False, sep="\t" if ".tsv" in name else ",")
    return path


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.tsv", "a.tsv.gz", "a.parquet"])
def test_a_wide_table_gives_what_it_was_written_from(tmp_path: Path, name: str) -> None:
    found = read(written(tmp_path, name))
    pd.testing.assert_frame_equal(found, TRUTH, check_index_type=False, check_names=False)


@pytest.mark.parametrize("name", ["long.csv", "long.tsv", "long.parquet"])
def test_a_long_table_gives_the_same(tmp_path: Path, name: str) -> None:
    table = TRUTH.rename_axis("id").reset_index().melt("id", var_name="task", value_name="hit").dropna()
    shuffled = table.sample(frac=1, random_state=3)
    if name.endswith(".parquet"):
        shuffled.to_parquet(tmp_path / name)
    else:
        shuffled.to_csv(tmp_path / name, index=False, sep="\t" if ".tsv" in name else ",")
    found = read(tmp_path / name, compound="id", assay="task", value="hit")
    labelled = TRUTH.dropna(how="all")
    expected = labelled[found.columns].loc[found.index]
    assert set(found.index) == set(labelled.index)
    np.testing.assert_array_equal(found.to_numpy(), expected.to_numpy())


@settings(max_examples=40, deadline=None)
@given(
    y=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3), st.sampled_from([1, -1, 0])), min_size=1, max_size=20),
)
def test_long_and_wide_agree_with_counting_by_hand(y: list[tuple[int, int, int]]) -> None:
    """-1 is inactive and 0 missing here; each pair once, as a plain dictionary says."""
    wanted = {(f"c{c}", f"a{a}"): value for c, a, value in y}
    table = pd.DataFrame([(c, a, v) for (c, a), v in wanted.items()], columns=["compound", "assay", "value"])
    coding = Coding({"active": [1], "inactive": [-1], "missing": [0]})
    tall = read_long(table, coding, compound="compound", assay="assay", value="value", source="t")
    flat = table.pivot_table(index="compound", columns="assay", values="value").reset_index()
    broad = read_wide(flat, coding, compound="compound", source="t")
    for entries in (tall, broad):
        found = {
            (entries.compounds[r], entries.assays[c]): v
            for r, c, v in zip(entries.row, entries.column, entries.value, strict=True)
        }
        assert found == {key: float(v == 1) for key, v in wanted.items() if v != 0}


@pytest.mark.parametrize(
    ("values", "column", "expected"),
    [
        ({"active": [1], "inactive": [-1]}, [1, -1, -1.0, None], [1, 0, 0, np.nan]),
        ({"active": [1], "inactive": [0], "missing": [-1]}, [1, -1, 0, 1], [1, np.nan, 0, 1]),
        ({"active": ["Active", "hit"], "inactive": ["none"]}, ["hit", "Active", "", "none"], [1, 1, np.nan, 0]),
        ({"active": [True], "inactive": [False]}, [True, False, False, True], [1, 0, 0, 1]),
        ({"active": 1, "inactive": "0"}, ["1", "0", "1.0", " 1 "], [1, 0, 1, 1]),
    ],
)
def test_values_mean_what_was_configured(values: dict[str, Any], column: list[Any], expected: list[float]) -> None:
    (found,) = Coding(values).decode([("v", column)], source="t")
    np.testing.assert_array_equal(found, expected)


def test_an_unknown_value_is_named_with_its_count_its_column_and_the_setting() -> None:
    table = pd.DataFrame({"compound": list("abcd"), "a1": [1, -1, -1, 0], "smiles": ["CC", "C", "N", "O"]})
    with pytest.raises(
        InputError, match=r"labels\.csv: unknown label values '-1' \(2 times\), 'CC' \(1 times\)"
    ) as told:
        read_wide(table, Coding(PLAIN), compound="compound", source="labels.csv")
    for part in (
        "'column a1', 'column smiles'",
        "task.assay_activity.values",
        "task.assay_activity.assays",
        "and 2 more",
    ):
        assert part in str(told.value)
    only = read_wide(table, Coding({**PLAIN, "missing": [-1]}), compound="compound", assays=["a1"], source="labels.csv")
    assert (only.assays, only.value.tolist()) == (["a1"], [1.0, 0.0])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"active": [1], "inactive": []}, "inactive has no value"),
        ({"active": [1], "inactive": [0], "missing": [1.0]}, "'1' has two meanings"),
        ({"active": [1], "inactive": [0], "unknown": [2]}, r"got \['unknown'\]; expected lists of values for"),
    ],
)
def test_a_coding_that_cannot_be_meant_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Coding(values)


def test_of_an_assay_twice_a_missing_column_and_a_row_without_assay_is_told(tmp_path: Path) -> None:
    table = pd.DataFrame({"compound": ["c1", "c2"], "assay": ["a", ""], "value": [1, 0]})
    table.to_csv(tmp_path / "long.csv", index=False)
    names = {"assay": "assay", "value": "value"}
    with pytest.raises(InputError, match="row 2: column 'assay' is empty"):
        read(tmp_path / "long.csv", **names)
    with pytest.raises(InputError, match="no column 'score'; found"):
        read(tmp_path / "long.csv", assay="assay", value="score")
    with pytest.raises(InputError, match="a long table needs the names of both columns"):
        read(tmp_path / "long.csv", assay="assay")
    with pytest.raises(InputError, match="no column 'sid'; found"):
        read(written(tmp_path, "a.csv"), compound="sid")
    with pytest.raises(InputError, match="no column but 'compound'"):
        read_wide(table[["compound"]], Coding(PLAIN), compound="compound", source="t")
    table.loc[1, "assay"] = "b"
    table.to_csv(tmp_path / "long.csv", index=False)
    with pytest.raises(InputError, match=r"no assay 'z'; found \['a', 'b'\]"):
        read(tmp_path / "long.csv", **names, assays=["z"])
    assert read(tmp_path / "long.csv", **names, assays=["b"]).to_dict() == {"b": {"c2": 0.0}}


def test_settings_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(InputError, match="path and column are both set"):
        LabelSource(**{**DEFAULTS, "path": "a.csv", "column": "moa"})
    with pytest.raises(InputError, match=r"row_index is set without task\.assay_activity\.path"):
        LabelSource(**{**DEFAULTS, "row_index": "a.csv"})
    with pytest.raises(InputError, match="duplicates='first' is unknown; choose one of"):
        LabelSource(**{**DEFAULTS, "duplicates": "first"})
    with pytest.raises(InputError, match=r"no labels were named; set task\.assay_activity\.path=FILE"):
        LabelSource(**DEFAULTS).labels(pd.DataFrame(), None)
