"""A table of scores is as :mod:`harness.core.score_schema` describes it."""

from __future__ import annotations

import pandas as pd

from harness.core.score_schema import COLUMNS, SCHEMA, Over


def assert_follows_schema(table: pd.DataFrame) -> None:
    """Check columns, kinds of values and rows of a table of scores."""
    assert list(table) == COLUMNS
    for column in SCHEMA:
        kind = "U" if pd.api.types.is_string_dtype(table[column.name]) else table[column.name].dtype.kind
        assert kind == column.kind, column.name
    assert set(table["over"]) <= set(Over)
    assert (table.loc[table["over"] == Over.FOLD, "fold"] != "").all()
    assert (table.loc[table["over"] != Over.FOLD, "fold"] == "").all()
    assert (table.loc[table["value"].isna(), "reason"] != "").all()
