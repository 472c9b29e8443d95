"""One label per compound and assay, joined to the compounds of treated wells; what did not match is counted."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.exceptions import InputError
from harness.task.labels.entries import Entries, Labels, resolve_duplicates
from harness.task.labels.join import join_labels
from harness.task.labels.tables import read_category

VOTES = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2), st.integers(0, 1)), min_size=1, max_size=30)


def entries(votes: list[tuple[str, str, int]]) -> Entries:
    compounds = [c for c, _, _ in votes]
    assays = sorted({a for _, a, _ in votes})
    column = np.array([assays.index(a) for _, a, _ in votes])
    return Entries("t", compounds, assays, np.arange(len(votes)), column, np.array([float(v) for _, _, v in votes]))


@settings(max_examples=60, deadline=None)
@given(votes=VOTES)
def test_the_majority_is_what_counting_gives_and_ties_are_missing(votes: list[tuple[int, int, int]]) -> None:
    named = [(f"c{c}" if c else "", f"a{a}", v) for c, a, v in votes]
    labels = resolve_duplicates(entries(named), duplicates="majority")
    counted: dict[tuple[str, str], list[int]] = defaultdict(list)
    for c, a, v in named:
        if c:
            counted[c, a].append(v)
    table = labels.table(pd.Index(sorted({c for c, _ in counted})))
    for (c, a), found in counted.items():
        mean = np.mean(found)
        expected = np.nan if mean == 0.5 else float(mean > 0.5)
        np.testing.assert_equal(table.loc[c, a], expected)
    assert table.notna().to_numpy().sum() == sum(np.mean(found) != 0.5 for found in counted.values())
    assert labels.counts == {
        "rows without a compound id, ignored": sum(c == "" for c, _, _ in named),
        "pairs of compound and assay with several labels": sum(len(found) > 1 for found in counted.values()),
        "of these with contradictory labels": sum(len(set(found)) > 1 for found in counted.values()),
        "of these tied, made missing": sum(np.mean(found) == 0.5 for found in counted.values()),
    }


def test_duplicates_are_refused_unless_asked_for_and_the_contradiction_is_shown() -> None:
    votes = [("c1", "a", 1), ("c1", "a", 1), ("c2", "b", 1), ("c2", "b", 0), ("c2", "b", 0), ("c3", "b", 0)]
    with pytest.raises(InputError, match="2 pairs of compound and assay have several labels, which contradict") as told:
        resolve_duplicates(entries(votes), duplicates="error")
    for part in ("for 1, e.g. compound 'c2' in assay 'b': 1 active, 2 inactive", "duplicates=majority"):
        assert part in str(told.value)
    with pytest.raises(InputError, match=r"for 0, e\.g\. compound 'c1' in assay 'a': 2 active, 0 inactive"):
        resolve_duplicates(entries(votes[:2]), duplicates="error")
    assert resolve_duplicates(entries(votes[1:3]), duplicates="error").value.tolist() == [1.0, 1.0]


def wells() -> pd.DataFrame:
    """Two plates; c1 has three wells, c4 is a positive control, `dmso` a negative one, one treated well is unknown."""
    rows = [
        ("p1", "negcon", "dmso", "DMSO"), ("p1", "treated", "c1", "x"), ("p1", "treated", "c1", "x"),
        ("p1", "treated", "c2", "y"), ("p1", "poscon", "c4", "z"), ("p1", "empty", "", ""),
        ("p2", "negcon", "dmso", "DMSO"), ("p2", "treated", "c1", "y"), ("p2", "treated", "c3", None),
        ("p2", "treated", "", "x"), ("p2", "treated", "c5", "x"), ("p2", "treated", "c5", "y"),
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["plate", "role", "compound", "moa"])
    return table.assign(well=[f"A{i:02d}" for i in range(len(table))], batch=table["plate"])


def labelled(*ids: str) -> Labels:
    return resolve_duplicates(entries([(name, "a", i % 2) for i, name in enumerate(ids)]), duplicates="error")


def test_the_report_counts_both_sides_and_ignores_negative_controls() -> None:
    joined = join_labels(labelled("c2", "dmso", "c1", "c9", "c8", "c4"), wells())
    report = joined.report.set_index("what")
    assert report["n"].iloc[:6].to_dict() == {
        "compounds in the data": 4,
        "compounds in the labels": 6,
        "compounds matched": 2,
        "compounds of the data without labels": 2,
        "compounds of the labels without wells": 3,
        "negative controls with labels, ignored": 1,
    }
    assert report.loc["compounds of the data without labels", "examples"] == "c3, c5"
    assert report.loc["negative controls with labels, ignored", "examples"] == "dmso"
    assert joined.table["a"].to_dict() == {"c1": 0.0, "c2": 0.0}
    assert set(report["n"]) >= set(labelled("c1").counts.values())


def test_no_match_shows_examples_of_both_sides_and_the_remedy() -> None:
    with pytest.raises(InputError, match="labels of 2 compounds, none of which is among the 4 of the data") as told:
        join_labels(labelled("BRD-1", "dmso"), wells())
    for part in ("'BRD-1'", "['c1', 'c2', 'c3', and 1 more]", "data.columns.compound", "task.assay_activity.compound"):
        assert part in str(told.value)


def test_wells_without_compounds_are_refused() -> None:
    with pytest.raises(InputError, match="the wells have no column `compound`; map it with"):
        join_labels(labelled("c1"), wells().drop(columns="compound"))
    with pytest.raises(InputError, match="no treated well has a compound"):
        join_labels(labelled("c1"), wells().assign(compound=""))


def treated() -> pd.DataFrame:
    table = wells()
    return table[(table["role"] == "treated") & (table["compound"] != "")]


def test_a_class_becomes_an_assay_and_a_compound_of_another_class_is_inactive_in_it() -> None:
    one_class = treated()[treated()["compound"] != "c5"].iloc[1:]
    one_class = one_class.assign(moa=one_class["moa"].where(one_class["compound"] != "c1", "x"))
    labels = read_category(one_class, "moa", duplicates="error")
    table = labels.table(pd.Index(["c1", "c2", "c3"]))
    assert table.columns.tolist() == ["x", "y"]
    np.testing.assert_array_equal(table, [[1, 0], [0, 1], [np.nan, np.nan]])
    only = read_category(one_class, "moa", duplicates="error", classes=["y"])
    np.testing.assert_array_equal(only.table(pd.Index(["c1", "c2"])), [[0], [1]])


def test_a_compound_of_several_classes_is_refused_or_decided_by_its_wells() -> None:
    with pytest.raises(
        InputError, match=r"column 'moa': 2 compounds have several classes, e.g. 'c1': .*'x': 2, 'y': 1"
    ):
        read_category(treated(), "moa", duplicates="error")
    labels = read_category(treated(), "moa", duplicates="majority")
    table = labels.table(pd.Index(["c1", "c2", "c5"]))
    np.testing.assert_array_equal(table, [[1, 0], [0, 1], [np.nan, np.nan]])
    assert labels.counts == {"compounds with several classes": 2, "of these tied, without a label": 1}


def test_wells_vote_not_images() -> None:
    """c1: one well of class y with five images against two wells of class x with one image each."""
    images = pd.concat([treated(), *[treated().query("compound == 'c1' and moa == 'y'")] * 4])
    labels = read_category(images.sort_values(["plate", "well"]), "moa", duplicates="majority")
    assert labels.table(pd.Index(["c1"]))["x"].tolist() == [1.0]


def test_a_column_without_two_classes_or_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match="no column 'mechanism'; found"):
        read_category(treated(), "mechanism", duplicates="error")
    with pytest.raises(InputError, match="column 'moa' has 1 classes among treated wells; expected at least 2"):
        read_category(treated().assign(moa="x"), "moa", duplicates="error")
    with pytest.raises(InputError, match="no class 'q'; found"):
        read_category(treated(), "moa", duplicates="majority", classes=["q"])


def test_an_accent_typed_in_two_ways_is_one_compound() -> None:
    """From a file of labels and from a column of the wells."""
    typed = wells().replace({"compound": {"c1": "e\u0301-1"}})
    joined = join_labels(labelled("\u00e9-1", "c2"), typed)
    assert joined.n("compounds matched") == 2
    assert "\u00e9-1" in joined.table.index
    rows = typed[(typed["role"] == "treated") & (typed["compound"] != "")]
    table = read_category(rows, "moa", duplicates="majority").table(pd.Index(["\u00e9-1"]))
    assert table.notna().all(axis=None)
