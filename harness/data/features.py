"""Which columns of a wide table are features, and their values as float32."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_complex_dtype, is_numeric_dtype

from harness.data.text import as_numbers, some
from harness.settings.limits import NotEmpty
from harness.settings.types import Name, Pattern
from harness.types import Floats, InputError

FeatureSpec = Pattern | Annotated[Sequence[Name], NotEmpty()] | None
METADATA_PREFIXES = ("Metadata_", "Image_Metadata_")
# Counters that CellProfiler and pandas write beside the features; they follow the order of imaging.
COUNTERS = re.compile(r"ImageNumber|ObjectNumber|TableNumber|Unnamed: \d+|")


def choose(df: pd.DataFrame, features: FeatureSpec, *, claimed: Collection[str], source: str) -> list[str]:
    """Names of the feature columns of ``df``, in its order.

    ``features``: a regular expression (searched for in the name), or a list whose entries are column names or,
    where no column has that name, prefixes. None: every numeric column that is neither ``claimed`` (a mapped
    column, a column that says what is a control, a join's key) nor a metadata column (:data:`METADATA_PREFIXES`)
    nor a counter (:data:`COUNTERS`) nor wholly empty.

    Raises
    ------
    InputError : nothing chosen, an invalid expression, an entry without a column, or (None) a column of numbers
        with some text in it.
    """
    free = [
        c for c in df.columns if c not in claimed and not c.startswith(METADATA_PREFIXES) and not COUNTERS.fullmatch(c)
    ]
    if features is None:
        chosen = _numeric(df, free, source)
    elif isinstance(features, str):
        try:
            pattern = re.compile(features)
        except re.error as error:
            raise InputError(f"features: {features!r} is not a regular expression: {error}") from error
        chosen = {c for c in free if pattern.search(c)}
        if not chosen:
            raise InputError(f"{source}: no feature column matches the expression {features!r}; found {some(free, 12)}")
    else:
        chosen = set()
        for entry in map(str, features):
            matching = {entry} if entry in df.columns else {c for c in free if entry and c.startswith(entry)}
            if not matching:
                raise InputError(
                    f"{source}: no feature column is called, or begins with, {entry!r}; found {some(free, 12)}"
                )
            chosen |= matching
    if not chosen:
        raise InputError(
            f"{source}: no feature columns among {some(df.columns, 12)}; expected numeric columns, or name them"
        )
    return [c for c in df.columns if c in chosen]


def values(df: pd.DataFrame, names: Sequence[str], *, source: str) -> Floats:
    """The columns ``names`` as float32, (n_rows, n_features); values beyond float32 become infinite.

    Raises
    ------
    InputError : text in a column; names the column, the row (from 1, the header not counted) and the text.
    """
    chosen = df[list(names)]
    with np.errstate(over="ignore"):
        if all(isinstance(dtype, np.dtype) and dtype.kind in "fiub" for dtype in chosen.dtypes):
            return chosen.to_numpy(dtype=np.float32)
        columns = []
        for name, column in chosen.items():
            row = None if is_numeric_dtype(column) else _first_text(column)
            if row is not None:
                raise InputError(
                    f"{source}, row {row + 1}: feature column {name!r} holds the text {column.iloc[row]!r}; "
                    "expected a number: correct it, or leave the column out by features"
                )
            numbers = as_numbers(column).to_numpy(dtype=np.float64, na_value=np.nan)
            columns.append(numbers.astype(np.float32))
        return np.column_stack(columns)


def _first_text(column: pd.Series[Any]) -> int | None:
    text = as_numbers(column).isna().to_numpy() & column.notna().to_numpy()
    return int(np.argmax(text)) if text.any() else None


def _numeric(df: pd.DataFrame, free: list[str], source: str) -> set[str]:
    """Columns of ``free`` that hold numbers; refuses one of numbers with some text in it."""
    dtypes = dict(zip(df.columns, df.dtypes, strict=True))
    numeric = [name for name in free if _is_number(dtypes[name])]
    for name in [name for name in free if not is_numeric_dtype(dtypes[name])]:
        column, row = df[name], _first_text(df[name])
        numbers = as_numbers(column).notna().sum()
        if row is not None and numbers > column.notna().sum() / 2:
            raise InputError(
                f"{source}, row {row + 1}: column {name!r} holds numbers, but the text {column.iloc[row]!r} here; "
                "correct it if it is a feature, or list the features by features"
            )
    filled = df[numeric].notna().to_numpy().any(axis=0)
    return {name for name, some_value in zip(numeric, np.atleast_1d(filled), strict=True) if some_value}


def _is_number(dtype: Any) -> bool:
    return is_numeric_dtype(dtype) and not is_bool_dtype(dtype) and not is_complex_dtype(dtype)
