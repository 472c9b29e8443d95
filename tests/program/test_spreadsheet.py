"""CSV that a spreadsheet opens: text from data is no formula, numbers stay numbers."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.utils.spreadsheet_csv import escape_formula, spreadsheet_csv

FORMULAS = [
    '=HYPERLINK("http://x","y")',
    "=1+1",
    "+1+1",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(A1:A9)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "\uff1d1+1",
    "-",
    "+49 171 1",
]
HARMLESS: list[Any] = [
    "",
    "DMSO",
    "a=b",
    "1-2",
    "-3.5",
    "+7",
    "-1e-3",
    -3.5,
    7,
    None,
    np.float32(-1),
    True,
    "a@b",
    "'x",
]


@pytest.mark.parametrize("cell", FORMULAS)
def test_a_formula_becomes_text(cell: str) -> None:
    assert escape_formula(cell) == f"'{cell}"
    assert escape_formula(escape_formula(cell)) == f"'{cell}"


@pytest.mark.parametrize("cell", HARMLESS)
def test_what_is_no_formula_stays(cell: object) -> None:
    assert escape_formula(cell) is cell


def test_a_table_with_hostile_names(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {
            "=plate": ["=1+1", "P1"],
            "n": [-3, 4],
            "x": [-0.5, np.nan],
            "both": ["@a", None],
            "category": pd.Categorical(["+a", "b"]),
            "text": pd.array(["-x", "-1"], dtype="string"),
        }
    )
    before = table.copy()
    assert spreadsheet_csv(table, tmp_path / "t.csv") is None
    text = (tmp_path / "t.csv").read_text("utf-8")
    assert text == spreadsheet_csv(table)
    pd.testing.assert_frame_equal(table, before)
    read = pd.read_csv(io.StringIO(text))
    assert list(read) == ["'=plate", "n", "x", "both", "category", "text"]
    assert read["n"].tolist() == [-3, 4]
    assert read["x"].tolist()[0] == -0.5
    assert read.loc[0, ["'=plate", "both", "category", "text"]].tolist() == ["'=1+1", "'@a", "'+a", "'-x"]


def test_columns_of_one_name() -> None:
    table = pd.DataFrame([["=1", "=2"]], columns=["a", "a"])
    assert spreadsheet_csv(table) == "a,a\n'=1,'=2\n"


def test_what_the_explorer_saves_follows_the_same_rule() -> None:
    """The page's JavaScript holds its own copy of the signs."""
    import harness.explore.page as page

    source = (Path(page.__file__).parent / "app/selection.js").read_text("utf-8")
    assert r"/^[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/" in source
    assert "cells.map(inert).map(quoted)" in source
