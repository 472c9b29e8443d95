"""Choose the columns of a wide table that are features, and read their values as float32."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_complex_dtype, is_numeric_dtype

from harness.core.arrays import Floats
from harness.core.exceptions import InputError
from harness.data.columns.column_values import (
    counts_rows,
    first_text,
    has_decimal_comma,
    holds_numbers,
    is_mostly_numbers,
    is_number_dtype,
    is_text,
    is_whole,
)
from harness.data.columns.left_out_columns import listed_with_reasons
from harness.data.conventions.cellprofiler_names import COMPARTMENTS, MEASURED, compartments, read_name
from harness.data.conventions.embedding_names import embedding_columns, is_embedding_name
from harness.data.conventions.identifier_names import identifier_reason, label_reason
from harness.settings.annotated_types import Name, Pattern
from harness.settings.limits import NotEmpty
from harness.store.validate import INDEX_COLUMNS
from harness.utils.text import as_numbers, preview

FeatureSpec = Pattern | Annotated[Sequence[Name], NotEmpty()] | None
ARRAY_ELEMENTS = "array_elements"  # attribute of a table: columns that were one column of arrays
METADATA_PREFIXES = ("Metadata_", "Image_Metadata_")
NO_PREFIX = "no feature prefix"


@dataclass(frozen=True)
class FeatureChoice:
    """Feature columns of a table.

    Attributes
    ----------
    names : in the order of the table.
    left_out : columns that resemble features and are none, with the reason. Neither the columns that a setting uses,
        nor ``Metadata_`` columns, nor text without a feature prefix.
    """

    names: list[str]
    left_out: dict[str, str] = field(default_factory=dict)


def choose(df: pd.DataFrame, features: FeatureSpec, *, claimed: Collection[str], source: str) -> FeatureChoice:
    """Choose the feature columns of ``df``.

    ``features``: a regular expression (searched for in the name), or a list whose entries are column names or, if no
    column has that name, prefixes. A name in full always wins; columns that match an expression or a prefix are left
    out if their name says that they measure nothing (:func:`reason_by_name`).
    None: columns with the prefixes of the field, that is CellProfiler's grammar and embeddings, and nothing else if
    there are any; otherwise every numeric column. Neither ``claimed`` columns (mapped, read by a rule of controls, or
    a join's key), nor metadata (:data:`METADATA_PREFIXES`), nor what :func:`reason_by_name` names, nor empty ones.

    Raises
    ------
    InputError : no feature, an invalid expression, an entry without a column, or (None) a column of numbers
        with some text in it.
    """
    free = [c for c in df.columns if c not in claimed and not c.startswith(METADATA_PREFIXES)]
    choice = _by_rule(df, free, source) if features is None else _by_request(df, free, features, source)
    if not choice.names:
        reasons = f"; left out {listed_with_reasons(choice.left_out)}" if choice.left_out else ""
        raise InputError(
            f"{source}: no feature columns among {preview(df.columns, 12)}{reasons}; expected numeric columns, or name "
            "them by features"
        )
    return choice


def reason_by_name(df: pd.DataFrame, name: str) -> str:
    """Return why the column ``name`` measures nothing, e.g. ``object number``; "" if it may be a feature."""
    if name in df.attrs.get(INDEX_COLUMNS, ()):
        return "saved index"
    if name.lower().startswith(tuple(prefix.lower() for prefix in METADATA_PREFIXES)):
        return "metadata"
    reading = read_name(name)
    if reading is not None and reading.reason:
        return reading.reason
    if is_embedding_name(name) or name in df.attrs.get(ARRAY_ELEMENTS, ()):
        return ""
    if reading is not None and reading.category in MEASURED and (reading.is_typical or reading.compartment):
        return ""
    reason = identifier_reason(name)
    if not reason and (reason := label_reason(name)) and not is_whole(df[name]):
        reason = ""
    return reason


def values(df: pd.DataFrame, names: Sequence[str], *, source: str) -> Floats:
    """Return the columns ``names`` as float32, (n_rows, n_features); values beyond float32 become infinite.

    Raises
    ------
    InputError : text in a column; names the column, the row (from 1, the header not counted) and the text.
    """
    table = df[list(names)]
    with np.errstate(over="ignore"):
        if all(isinstance(dtype, np.dtype) and dtype.kind in "fiub" for dtype in table.dtypes):
            return table.to_numpy(dtype=np.float32)
        columns = []
        for name, column in table.items():
            row = None if is_numeric_dtype(column) else first_text(column)
            if row is not None:
                text = column.iloc[row]
                raise InputError(
                    f"{source}, row {row + 1}: feature column {name!r} holds the text {text!r}; expected a number"
                    f"{_comma_remedy(text)}: correct it, or leave the column out by features"
                )
            numbers = as_numbers(column).to_numpy(dtype=np.float64, na_value=np.nan)
            columns.append(numbers.astype(np.float32))
        return np.column_stack(columns)


def _by_request(df: pd.DataFrame, free: list[str], features: str | Sequence[str], source: str) -> FeatureChoice:
    if isinstance(features, str):
        try:
            pattern = re.compile(features)
        except re.error as error:
            raise InputError(f"features: {features!r} is not a regular expression: {error}") from error
        missing = f"no feature column matches the expression {features!r}"
        requests: list[tuple[str, Callable[[str], object]]] = [(missing, pattern.search)]
        in_full: set[str] = set()
    else:
        entries = [str(entry) for entry in features]
        in_full = {entry for entry in entries if entry in df.columns}
        requests = [
            (f"no feature column is called, or begins with, {entry!r}", _begins_with(entry))
            for entry in entries
            if entry not in in_full
        ]
    names, left_out = set(in_full), dict[str, str]()
    for missing, matches in requests:
        matching = [name for name in free if matches(name)]
        reasons = {name: reason for name in matching if name not in in_full and (reason := reason_by_name(df, name))}
        if not matching:
            raise InputError(f"{source}: {missing}; found {preview(free, 12)}")
        if len(reasons) == len(matching):
            raise InputError(
                f"{source}: {missing}, but for columns that are left out: {listed_with_reasons(reasons)}; list their "
                "names in full by features to have them as features"
            )
        names |= set(matching) - set(reasons)
        left_out |= reasons
    ordered = [name for name in df.columns if name in names]
    return FeatureChoice(ordered, {name: reason for name, reason in left_out.items() if name not in names})


def _begins_with(entry: str) -> Callable[[str], bool]:
    return lambda name: bool(entry) and name.startswith(entry)


def _by_rule(df: pd.DataFrame, free: list[str], source: str) -> FeatureChoice:
    dtypes = dict(zip(df.columns, df.dtypes, strict=True))
    prefixed = _prefixed(df, free, dtypes)
    names, left_out = [], {}
    for name in free:
        has_numbers = is_numeric_dtype(dtypes[name]) or is_bool_dtype(dtypes[name])
        if not has_numbers and prefixed and name not in prefixed:
            continue
        reason = reason_by_name(df, name)
        if not reason and prefixed:
            reason = _reason_by_values(df[name], name, source) if name in prefixed else NO_PREFIX
        elif not reason:
            reason = _reason_without_prefix(df[name], name, source)
        if not reason:
            names.append(name)
        elif has_numbers or name in prefixed or holds_numbers(df[name]):
            left_out[name] = reason
    return FeatureChoice(names, left_out)


def _prefixed(df: pd.DataFrame, free: list[str], dtypes: dict[str, Any]) -> set[str]:
    """Return the columns of ``free`` with a feature prefix; none if most of the numeric columns have no such prefix.

    A prefix alone (``Cells_density``) is a weaker sign than CellProfiler's grammar or a numbered embedding: such
    columns count if most of the numeric columns are of that kind.
    """
    typical = embedding_columns(free) | (set(free) & set(df.attrs.get(ARRAY_ELEMENTS, ())))
    compartment_names = {*COMPARTMENTS, *compartments(free)}
    beginnings = tuple(f"{compartment}_" for compartment in compartment_names if compartment)
    in_table_of_one = "" in compartment_names
    prefixed = set(typical)
    for name in free:
        reading = read_name(name)
        if reading is not None and reading.is_typical and not reading.reason:
            typical.add(name)
        if name.startswith(beginnings) or (in_table_of_one and reading is not None and not reading.compartment):
            prefixed.add(name)
    if any(is_number_dtype(dtypes[name]) or not is_numeric_dtype(dtypes[name]) for name in typical):
        return prefixed
    numeric = [name for name in free if is_number_dtype(dtypes[name]) and not reason_by_name(df, name)]
    with_prefix = sum(name in prefixed for name in numeric)
    return prefixed if 2 * with_prefix >= max(len(numeric), 1) else set()


def _reason_by_values(column: pd.Series[Any], name: str, source: str) -> str:
    """Return why a column whose name is a feature's cannot be one: ``empty`` or ``text``; "" if it holds numbers."""
    if is_complex_dtype(column):
        return "complex numbers"
    if not column.notna().any():
        return "empty"
    if is_numeric_dtype(column):
        return ""
    return _reason_of_text(column, name, source) if is_text(column) else "text"


def _reason_without_prefix(column: pd.Series[Any], name: str, source: str) -> str:
    if is_bool_dtype(column):
        return "true or false"
    reason = _reason_by_values(column, name, source)
    if not reason and not is_numeric_dtype(column) and is_whole(column):
        return "identifier"  # whole numbers that are stored as text
    return reason or ("saved index" if counts_rows(column) else "")


def _reason_of_text(column: pd.Series[Any], name: str, source: str) -> str:
    row = first_text(column)
    if row is None:
        return ""
    if not is_mostly_numbers(column):
        return "text"
    text = column.iloc[row]
    raise InputError(
        f"{source}, row {row + 1}: column {name!r} holds numbers, but the text {text!r} here{_comma_remedy(text)}; "
        "correct it if it is a feature, or list the features by features"
    )


def _comma_remedy(text: Any) -> str:
    return " (a decimal comma: write a point)" if has_decimal_comma(text) else ""
