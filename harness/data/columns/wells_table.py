"""Make the wells table of a screen from the columns of a table that are no features."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import infer_dtype, is_numeric_dtype

from harness.core.arrays import Mask
from harness.core.exceptions import InputError
from harness.core.wells_schema import COLUMNS, DERIVED, MAPPABLE, MAPPABLE_TEXT
from harness.data.columns import well_names
from harness.data.columns.spellings import report_names
from harness.data.columns.well_roles import Rules, assign_roles
from harness.store.reading_report import ReadingReport
from harness.store.validate import check_wells
from harness.utils.text import as_numbers, as_text, has_lost_digits, normalize_id, preview

_WHOLE_NUMBER = re.compile(r"0|-?[1-9]\d{0,14}")
LEVELS = ("auto", "well", "image", "cell")  # cell: the reader has aggregated cells to wells or sites before


def resolve_columns(available: Collection[str], columns: Mapping[str, str | None], *, source: str) -> dict[str, str]:
    """Return the source column of each standard column: the mapped one, else the one of that name, if there is one.

    Raises
    ------
    InputError : an unknown standard name, an absent column that is mapped, no plate or no well column.
    """
    unknown = [name for name in columns if name not in MAPPABLE]
    if unknown:
        raise InputError(f"columns: got {unknown}; the names that can be mapped are {list(MAPPABLE)}")
    mapped: dict[str, str] = {}
    for name in MAPPABLE:
        column = columns.get(name) or name
        if column in available:
            mapped[name] = column
        elif columns.get(name) is not None or name in ("plate", "well"):
            raise InputError(
                f"{source}: no {name} column {column!r}; found {preview(available, 20)}; set columns.{name}"
            )
    return mapped


def reserved_columns(columns: Mapping[str, str], rules: Rules) -> set[str]:
    """Return the columns that are no features unless the setting ``features`` names them."""
    used = {name for rule in rules.values() for name in rule.columns}
    return {*MAPPABLE, *DERIVED, *columns.values(), *used}


def wells_table(
    meta: pd.DataFrame,
    columns: Mapping[str, str],
    rules: Rules,
    *,
    level: str,
    source: str,
    where: Callable[[int], str],
    without_partner: Mapping[str, Mask] | None = None,
    report: ReadingReport | None = None,
) -> pd.DataFrame:
    """Make the ``wells`` of :class:`harness.core.profiles.Profiles` from the columns of a table that are no features.

    ``columns``: standard name to column of ``meta``. ``rules``: by option, ``controls`` at least; they may use the
    standard names as well as the table's own; plate, well, batch and compound are text in them. ``where(i)``: name of
    row i in an error. ``level``: ``well`` (one row per well), ``image`` (one per site; sites are numbered if there is
    no site column), or ``auto``: image if there is a site column. ``without_partner``: see :func:`assign_roles`, by
    column of ``meta``. ``report`` gets lines about rows without a partner, controls in several spellings and compounds
    called ``NA``.

    Raises
    ------
    InputError : a row without plate or well, text in cell_count, and what :func:`check_wells` and
        :func:`assign_roles` refuse.
    """
    if level not in LEVELS:
        raise InputError(f"level: got {level!r}; expected one of {list(LEVELS)}")
    table = _standard_columns(meta, columns, source=source, where=where)
    places = well_names.standardize(table["well"])
    mapped = {column: table[name] for name, column in columns.items() if name != "well"}
    visible = {**{str(name): meta[name] for name in meta.columns}, **mapped, **table, "well": places["well"]}
    without_partner = {
        name: mask
        for column, mask in (without_partner or {}).items()
        for name in (column, *(standard for standard, original in columns.items() if original == column))
    }
    role = assign_roles(visible, rules, source=source, without_partner=without_partner, report=report)
    if report is not None:
        measured = {column for name in MAPPABLE if name != "compound" for column in (name, columns.get(name, name))}
        named = {columns.get(name, name): column for name, column in visible.items() if name not in measured}
        report_names(named, columns.get("compound"), role, rules, report)
    if level == "image" and "site" not in table:
        table["site"] = meta.groupby([table["plate"], places["well"]], sort=False).cumcount() + 1
    table |= {str(name): places[name] for name in places} | {"role": role}
    table.setdefault("batch", pd.Series("", index=meta.index, dtype=object))
    present = {column.name: table[column.name] for column in COLUMNS if column.name in table}
    used = {*columns.values(), *MAPPABLE, *DERIVED}
    others = {
        str(name): _storable(meta[name]) for name in meta if name not in used and not str(name).startswith("Unnamed: ")
    }
    wells = pd.DataFrame({**present, **others})
    check_wells(wells, sites="site" in present and level != "well", source=source)
    return wells


def _standard_columns(
    meta: pd.DataFrame, columns: Mapping[str, str], *, source: str, where: Callable[[int], str]
) -> dict[str, pd.Series[Any]]:
    """Return the standard columns of ``meta``: ids as text, counts and doses as numbers if all of them are.

    Raises
    ------
    InputError : ids that lost digits, a row without plate or well, a batch that is missing in some rows, text in
        cell_count.
    """
    for column in (columns[name] for name in MAPPABLE_TEXT if name in columns):
        if has_lost_digits(meta[column]):
            raise InputError(
                f"{source}: column {column!r} holds whole numbers stored as floating point that are too long for it, "
                "their last digits are lost; write the column as text or as integers"
            )
    table = {name: as_text(meta[column]) if name in MAPPABLE_TEXT else meta[column] for name, column in columns.items()}
    _refuse_blank_ids(table, columns, source=source, where=where)
    if "cell_count" in table:
        table["cell_count"] = _numbers(table["cell_count"], columns["cell_count"], where)
    for name in ("site", "dose"):
        if name in table:
            table[name] = _storable(table[name])
    if "dose" in table and ((dose := as_numbers(table["dose"])).notna() | _is_blank(table["dose"])).all():
        table["dose"] = dose
    if "site" in table and _is_text_of_whole_numbers(table["site"]):
        table["site"] = as_numbers(table["site"])
    return table


def _refuse_blank_ids(
    table: Mapping[str, pd.Series[Any]], columns: Mapping[str, str], *, source: str, where: Callable[[int], str]
) -> None:
    for name in ("plate", "well"):
        blank = np.flatnonzero(table[name] == "")
        if len(blank):
            first, n = where(int(blank[0])), len(blank)
            raise InputError(f"{first}: {name} column {columns[name]!r} is empty (in {n} rows); fill it in")
    if "batch" in table and (unbatched := (table["batch"] == "").to_numpy()).any() and not unbatched.all():
        plates = preview(table["plate"][unbatched].unique())
        raise InputError(
            f"{source}: batch column {columns['batch']!r} is empty, or has no partner, in {int(unbatched.sum())} rows "
            f"of plates {plates}; fill it in, or leave these plates out by exclude_plates"
        )


def require_controls(rules: Rules, *, source: str, available: Collection[str]) -> None:
    """Raise an InputError that says how to choose the negative controls if ``rules`` has none for them."""
    if "controls" not in rules:
        raise InputError(
            f"{source}: which wells are negative controls? Give controls.column and controls.values, or "
            f"controls.query; columns found {preview(available, 20)}"
        )


def drop_columns(df: pd.DataFrame, names: Sequence[str], reserved: Collection[str]) -> pd.DataFrame:
    """Drop the feature columns ``names``, except the ``reserved`` ones, and number the rows 0..n-1."""
    dropped = set(names) - set(reserved)
    return df[[c for c in df.columns if c not in dropped]].reset_index(drop=True)


def _numbers(column: pd.Series[Any], name: str, where: Callable[[int], str]) -> pd.Series[Any]:
    numbers = as_numbers(column)
    text = np.flatnonzero(numbers.isna() & column.notna())
    if len(text):
        i = int(text[0])
        raise InputError(f"{where(i)}: cell_count column {name!r} holds {column.iloc[i]!r}; expected a number")
    return numbers


def _is_blank(column: pd.Series[Any]) -> pd.Series[bool]:
    """Return which values, (n,), are missing or an empty text."""
    return column.isna() | (as_text(column) == "")


def _is_text_of_whole_numbers(column: pd.Series[Any]) -> bool:
    """Return whether every value is the text of a whole number in its shortest form: ``"7"``, not ``"07"``."""
    values = column.dropna().unique()
    return bool(len(values)) and all(isinstance(v, str) and _WHOLE_NUMBER.fullmatch(v.strip()) for v in values)


def _storable(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return the column as text if it holds several types (files that disagree) or whole numbers beyond 64 bits."""
    if is_numeric_dtype(column):
        return column
    kind = infer_dtype(column, skipna=True)
    long = kind == "integer" and any(abs(value) >= 1 << 63 for value in column.dropna())
    return column.map(normalize_id) if long or kind.startswith("mixed") else column
