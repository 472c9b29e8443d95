"""Expand columns that hold an array per row, such as embeddings, to one column of numbers per element."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pandas as pd

from harness.core.exceptions import InputError
from harness.data.columns.feature_columns import ARRAY_ELEMENTS, METADATA_PREFIXES, FeatureSpec
from harness.store.reading_report import ReadingReport
from harness.store.validate import check_unique
from harness.utils.text import preview

LONGEST = 100_000  # numbers in the array of one row: far beyond any embedding
_NESTED = (np.ndarray, list, tuple, dict)


def expand_arrays(
    df: pd.DataFrame,
    *,
    features: FeatureSpec = None,
    claimed: Collection[str] = (),
    source: str,
    report: ReadingReport | None = None,
) -> pd.DataFrame:
    """Return ``df`` with each column of arrays replaced by columns ``<column>_0``, ``<column>_1``, ... of numbers.

    The attribute :data:`ARRAY_ELEMENTS` of the table names them: they are features whatever they are called.

    Rows without an array (missing, or of length 0: a well without cells) hold missing values. Left as they are:
    columns that are ``claimed`` or metadata by their prefix, those that ``features`` does not select, and columns of
    nested values that are not numbers (lists of names, tables in a cell), which are no features.

    Parameters
    ----------
    df : one row per well or image, rows 0..n-1.
    features : see :func:`harness.data.columns.feature_columns.choose`; an entry that begins like ``<column>_`` asks
    for the column.

    Raises
    ------
    InputError : arrays of unequal length, or with more than one dimension, or longer than :data:`LONGEST`; a column
        ``<column>_<i>`` that is there already.
    """
    nested = [
        name
        for name in df.columns
        if df[name].dtype == object and name not in claimed and not name.startswith(METADATA_PREFIXES)
    ]
    expanded: dict[str, pd.DataFrame] = {}
    for name in nested:
        filled = df[name][df[name].notna().to_numpy()]
        if not len(filled) or not isinstance(filled.iloc[0], _NESTED) or not _is_selected(name, features):
            continue
        values = _stacked(filled, name, len(df), source)
        if values is None:
            if report is not None:
                report.note(f"{source}: column {name!r} holds lists of something else than numbers: no features")
            continue
        labels = [f"{name}_{i}" for i in range(values.shape[1])]
        expanded[name] = pd.DataFrame(values, columns=labels, index=df.index, copy=False)
    if not expanded:
        return df
    parts, names = _pieces(df, expanded)
    check_unique(names, what=f"columns (with the elements of {preview(expanded)} written out)", source=source)
    table = pd.concat(parts, axis=1)
    table.attrs = {**df.attrs, ARRAY_ELEMENTS: [str(name) for part in expanded.values() for name in part.columns]}
    return table


def _pieces(df: pd.DataFrame, expanded: dict[str, pd.DataFrame]) -> tuple[list[pd.DataFrame], list[str]]:
    """Return the columns of ``df`` in pieces, expanded columns in their places, and all their names."""
    parts: list[pd.DataFrame] = []
    start = 0
    for i, name in enumerate(df.columns):
        if name in expanded:
            parts += [df.iloc[:, start:i], expanded[name]]
            start = i + 1
    parts.append(df.iloc[:, start:])
    return parts, [str(name) for part in parts for name in part.columns]


def _is_selected(column: str, features: FeatureSpec) -> bool:
    """Return whether ``features`` may select elements of ``column``; an invalid expression is reported later."""
    if features is None:
        return True
    if isinstance(features, str):
        try:
            return re.search(features, f"{column}_0") is not None
        except re.error:
            return False
    begin = f"{column}_"
    return any(begin.startswith(entry) or entry.startswith(begin) for entry in map(str, features) if entry)


def _stacked(filled: pd.Series[Any], name: str, n_rows: int, source: str) -> np.ndarray[Any, Any] | None:
    """Stack the arrays vertically, (n_rows, length); return None if they do not hold numbers."""
    cells = [cell if isinstance(cell, np.ndarray) else _array(cell) for cell in filled]
    if any(cell is None for cell in cells):
        return None
    arrays: list[np.ndarray[Any, Any]] = [cell for cell in cells if cell is not None]
    sizes = np.fromiter((array.size for array in arrays), dtype=np.int64, count=len(arrays))
    if any(array.ndim != 1 or (array.dtype == object and _deep(array)) for array in arrays):
        _refuse_deep(arrays, filled, name, source)
        return None
    arrays = [array for array, size in zip(arrays, sizes, strict=True) if size]
    if not arrays:
        return None
    try:
        flat = _numbers(arrays)
    except (TypeError, ValueError):
        return None
    if flat is None:
        return None
    rows, lengths = filled.index.to_numpy()[sizes > 0], sizes[sizes > 0]
    length = int(lengths[0])
    if (lengths != length).any():
        other = int(np.flatnonzero(lengths != length)[0])
        raise InputError(
            f"{source}: column {name!r} holds {length} numbers in row {rows[0] + 1}, {lengths[other]} in row "
            f"{rows[other] + 1}; expected arrays of one length: correct it, or leave the column out by data.features"
        )
    if length > LONGEST:
        raise InputError(
            f"{source}: column {name!r} holds arrays of {length} numbers; expected {LONGEST} at most: "
            "leave the column out by data.features"
        )
    values = flat.reshape(len(rows), length)
    if len(rows) == n_rows:
        return values
    spread = np.full((n_rows, length), np.nan, dtype=values.dtype)
    spread[rows] = values
    return spread


def _array(cell: Any) -> np.ndarray[Any, Any] | None:
    if not isinstance(cell, list | tuple):
        return None
    try:
        return np.asarray(cell)
    except ValueError:  # lists of several lengths
        return np.empty((1, 1))


def _deep(array: np.ndarray[Any, Any]) -> bool:
    return bool(array.size) and isinstance(array[0], np.ndarray | list | tuple)


def _refuse_deep(arrays: Sequence[np.ndarray[Any, Any]], filled: pd.Series[Any], name: str, source: str) -> None:
    """Raise InputError for arrays in arrays if they hold numbers; text in them is no feature."""
    for row, array in zip(filled.index, arrays, strict=True):
        inner = array if array.dtype != object else np.asarray(array[0]) if _deep(array) else array[:0]
        if (array.ndim != 1 or _deep(array)) and inner.dtype.kind in "fiub":
            raise InputError(
                f"{source}: column {name!r}, row {row + 1} holds arrays in an array; expected one flat array of "
                "numbers per row: flatten it, or leave the column out by data.features"
            )


def _numbers(arrays: Sequence[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any] | None:
    """Return all elements in one array; None if they are no numbers (missing ones are NaN)."""
    if all(array.dtype.kind in "fiu" for array in arrays):
        return np.concatenate(arrays)
    if any(array.dtype.kind not in "fiuO" for array in arrays):
        return None
    objects = np.concatenate([array.astype(object) for array in arrays])
    if any(isinstance(value, str | bytes | bool) for value in objects):
        return None
    return np.array([np.nan if value is None else float(value) for value in objects], dtype=np.float64)
