"""Classify the values of a column: numbers, text that holds numbers, whole numbers, a count of rows."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import (
    is_bool_dtype,
    is_complex_dtype,
    is_integer_dtype,
    is_numeric_dtype,
    is_object_dtype,
    is_string_dtype,
)

from harness.utils.text import as_numbers

_COUNTING_ROWS = 10  # so many rows in steps of 1 are numbered
_LOOKED_AT = 1000
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+([eE][+-]?\d+)?")


def is_number_dtype(dtype: Any) -> bool:
    return is_numeric_dtype(dtype) and not is_bool_dtype(dtype) and not is_complex_dtype(dtype)


def is_text(column: pd.Series[Any]) -> bool:
    return is_object_dtype(column) or is_string_dtype(column)


def holds_numbers(column: pd.Series[Any]) -> bool:
    """Return whether a column of text, or of Python objects, holds numbers alone, and at least one."""
    return is_text(column) and bool(column.notna().any()) and first_text(column) is None


def first_text(column: pd.Series[Any]) -> int | None:
    """Return the first row, from 0, that holds something other than a number; None if there is none."""
    text = as_numbers(column).isna().to_numpy() & column.notna().to_numpy()
    return int(np.argmax(text)) if text.any() else None


def is_mostly_numbers(column: pd.Series[Any]) -> bool:
    """Return whether more than half of the values are numbers, or would be but for a decimal comma."""
    some_values = column.dropna().head(_LOOKED_AT)
    with_comma = np.mean([has_decimal_comma(value) for value in some_values]) if len(some_values) else 0.0
    return bool(as_numbers(column).notna().sum() / max(column.notna().sum(), 1) + with_comma > 0.5)


def has_decimal_comma(value: Any) -> bool:
    return bool(_DECIMAL_COMMA.fullmatch(str(value).strip()))


def is_whole(column: pd.Series[Any]) -> bool:
    """Return whether every value is a whole number (truth values are), and there is one."""
    numbers = as_numbers(column).to_numpy(dtype=np.float64, na_value=np.nan)
    finite = numbers[np.isfinite(numbers)]
    return len(finite) > 0 and len(finite) == column.notna().sum() and bool((finite == np.floor(finite)).all())


def counts_rows(column: pd.Series[Any]) -> bool:
    """Return whether the values are integers that rise by 1 from row to row, as a saved index does."""
    if not is_integer_dtype(column):
        return False
    numbers = as_numbers(column).to_numpy(dtype=np.float64, na_value=np.nan)
    return len(numbers) >= _COUNTING_ROWS and bool((np.diff(numbers) == 1).all())
