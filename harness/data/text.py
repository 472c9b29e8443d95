"""Values as text: ids are compared and shown the same way whatever type a file stored them in."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

_WHOLE = re.compile(r"\d+\.0")  # pandas writes whole numbers so where one is missing


def one_text(value: Any) -> str:
    """``24277.0``, ``"24277.0"`` and ``24277`` become ``"24277"``, a missing value ``""``; outer blanks go."""
    if value is None or value is pd.NA or value is pd.NaT:
        return ""
    if isinstance(value, float | np.floating):
        number = float(value)
        if math.isnan(number):
            return ""
        return str(int(number)) if number.is_integer() else str(value)
    text = (value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)).strip()
    return text.removesuffix(".0") if _WHOLE.fullmatch(text) else text


def as_text(values: pd.Series[Any]) -> pd.Series[str]:
    """:func:`one_text` of every value, (n,), same index and name."""
    try:
        codes, found = pd.factorize(values, use_na_sentinel=True)
    except TypeError:  # lists, of a nested column: no keys of a table
        return values.map(one_text).astype(object)
    lookup = np.array([*(one_text(value) for value in found), ""], dtype=object)
    return pd.Series(lookup[codes], index=values.index, name=values.name, dtype=object)


def as_numbers(values: pd.Series[Any]) -> pd.Series[Any]:
    """Every value as a number, (n,), same index and name: NaN where it is none, infinite where it is beyond float64."""
    try:
        return pd.to_numeric(values, errors="coerce")
    except OverflowError:  # Python's whole numbers have no end
        return pd.to_numeric(values.map(str, na_action="ignore"), errors="coerce")


def listed(values: Any) -> list[Any]:
    """A list as it is, a single value as a list of one, None as an empty list."""
    if values is None:
        return []
    return list(values) if isinstance(values, list | tuple) else [values]


def some(values: Iterable[Any], limit: int = 8) -> str:
    """The first few of ``values`` for an error message, and how many more there are."""
    known = list(values)
    shown = ", ".join(repr(v.item() if isinstance(v, np.generic) else v) for v in known[:limit])
    more = len(known) - limit
    return f"[{shown}{f', and {more} more' if more > 0 else ''}]"
