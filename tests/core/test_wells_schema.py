from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.core.wells_schema import COLUMNS, DERIVED, MAPPABLE, REQUIRED, ROLES, problems


def wells(**changes: Any) -> pd.DataFrame:
    table = {
        "plate": ["p1", "p1"], "well": ["A01", "A02"], "row": [1, 1], "column": [1, 2], "site": [1, 1],
        "batch": ["b1", "b1"], "role": ["negcon", "treated"], "compound": ["DMSO", "x"], "dose": [0.0, np.nan],
        "cell_count": [90, 87], "Metadata_Run": [object(), None],
    }  # fmt: skip
    return pd.DataFrame({**table, **changes})


def test_a_column_is_listed_once_and_is_either_mapped_or_derived() -> None:
    names = [column.name for column in COLUMNS]
    assert len(set(names)) == len(names)
    assert sorted(names) == sorted([*MAPPABLE, *DERIVED])
    assert set(REQUIRED) <= set(names)
    assert all(column.meaning for column in COLUMNS)


def test_a_table_of_the_schema_has_no_problems_whichever_optional_columns_it_has() -> None:
    assert problems(wells()) == []
    assert problems(wells()[list(REQUIRED)]) == []
    assert problems(wells(row=pd.array([1, None], "Int64"), site=["a", "b"], dose=["low", "high"])) == []
    assert problems(wells(cell_count=[90.5, np.nan], compound=["DMSO", ""])) == []


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"plate": [1, 2]}, "column 'plate' has values of type int64; expected text"),
        ({"compound": ["DMSO", None]}, "column 'compound' has values of type"),
        ({"batch": pd.Series(["b1", 2], dtype=object)}, "column 'batch' has values of type object; expected text"),
        ({"row": [1.5, 2.0]}, "column 'row' has values of type float64; expected integer"),
        ({"cell_count": ["90", "many"]}, "expected number"),
        ({"cell_count": [True, False]}, "column 'cell_count' has values of type bool; expected number"),
        ({"role": ["DMSO", "treated"]}, f"unknown roles ['DMSO']; allowed are {list(ROLES)}"),
    ],
)
def test_a_deviation_is_named(changes: dict[str, Any], line: str) -> None:
    (problem,) = problems(wells(**changes))
    assert line in problem


def test_required_columns_are_required() -> None:
    for name in REQUIRED:
        (problem,) = problems(wells().drop(columns=name))
        assert problem.startswith(f"wells lacks the columns [{name!r}]")
