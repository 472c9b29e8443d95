"""Schema of the wells table: its columns, what they hold, and which of them may be absent.

The table has one row per profile, in the order of the rows of ``X``. Columns beyond the schema are metadata of the
source, which keep their names and values.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pandas as pd
from pandas.api.types import infer_dtype, is_bool_dtype, is_integer_dtype, is_numeric_dtype

NEGCON, TREATED, POSCON, EMPTY = ROLES = ("negcon", "treated", "poscon", "empty")


class Kind(StrEnum):
    """Values of a column."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    ANY = "number or text"


@dataclass(frozen=True)
class WellsColumn:
    """One column of the wells table.

    Attributes
    ----------
    kind : of its values; a number may be missing, a missing text is "".
    required : part of every wells table.
    mappable : read from a column of the source, which ``data.columns`` may name; others are derived.
    """

    name: str
    kind: Kind
    meaning: str
    required: bool = False
    mappable: bool = True


COLUMNS = (
    WellsColumn("plate", Kind.TEXT, "name of the plate; the rows of a plate are contiguous", required=True),
    WellsColumn("well", Kind.TEXT, "name of the well on its plate, such as `A01`", required=True),
    WellsColumn("row", Kind.INTEGER, "row of the well, from 1; absent if no well has such a name", mappable=False),
    WellsColumn("column", Kind.INTEGER, "column of the well, from 1; absent as `row` is", mappable=False),
    WellsColumn("site", Kind.ANY, "image within the well; absent if rows are wells"),
    WellsColumn("batch", Kind.TEXT, "batch of the plate, one per plate; empty until it is assigned", required=True),
    WellsColumn("role", Kind.TEXT, f"what the well is for: {', '.join(f'`{r}`' for r in ROLES)}", True, False),
    WellsColumn("compound", Kind.TEXT, "compound or other treatment, empty if there is none"),
    WellsColumn("dose", Kind.ANY, "dose of the compound, in the unit of the source"),
    WellsColumn("cell_count", Kind.NUMBER, "cells in the image; the mean over images if rows are wells"),
)
REQUIRED = tuple(column.name for column in COLUMNS if column.required)
MAPPABLE = tuple(column.name for column in COLUMNS if column.mappable)
DERIVED = tuple(column.name for column in COLUMNS if not column.mappable)
TEXT = tuple(column.name for column in COLUMNS if column.kind is Kind.TEXT)
MAPPABLE_TEXT = tuple(name for name in MAPPABLE if name in TEXT)


def problems(wells: pd.DataFrame) -> list[str]:
    """List how ``wells`` deviates from the schema, one line for each deviation."""
    lines = []
    if missing := [name for name in REQUIRED if name not in wells]:
        lines.append(f"wells lacks the columns {missing}; found {list(wells.columns)}")
    for column in COLUMNS:
        if column.name in wells and not _is_of_kind(wells[column.name], column.kind):
            lines.append(
                f"column {column.name!r} has values of type {wells[column.name].dtype}; expected {column.kind}"
            )
    if roles := unknown_roles(wells):
        lines.append(f"unknown roles {roles}; allowed are {list(ROLES)}")
    return lines


def unknown_roles(wells: pd.DataFrame) -> list[str]:
    """Return the values of ``role`` that are none of :data:`ROLES`."""
    return sorted(set(wells["role"].unique()) - set(ROLES)) if "role" in wells else []


def _is_of_kind(values: pd.Series[Any], kind: Kind) -> bool:
    match kind:
        case Kind.TEXT:
            return infer_dtype(values, skipna=False) in ("string", "empty") and not values.isna().any()
        case Kind.INTEGER:
            return is_integer_dtype(values)
        case Kind.NUMBER:
            return is_numeric_dtype(values) and not is_bool_dtype(values)
    return True
