"""Convert values to text, so that ids compare equal whatever type a file stored them in."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_float_dtype

_WHOLE = re.compile(r"-?\d+\.0")  # pandas writes whole numbers so where one is missing
# Words that pandas takes for missing in a CSV (the documentation of ``na_values`` of ``pandas.read_csv``).
MISSING_WORDS = frozenset(
    ["", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
     "NULL", "NaN", "None", "n/a", "nan", "null"]
)  # fmt: skip
_EXACT = 2.0**53  # the first whole number that float64 shares with a neighbour


def normalize_id(value: Any) -> str:
    """Return an id as text: ``"24277"`` for ``24277.0``, ``"24277.0"`` and ``24277``, ``""`` if missing; stripped."""
    if value is None or value is pd.NA or value is pd.NaT:
        return ""
    if isinstance(value, float | np.floating):
        number = float(value)
        if math.isnan(number):
            return ""
        return str(int(number)) if number.is_integer() else str(value)
    if isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value():
        return str(int(value))
    text = (value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)).strip()
    return text.removesuffix(".0") if _WHOLE.fullmatch(text) else text


def as_text(values: pd.Series[Any]) -> pd.Series[str]:
    """Return :func:`normalize_id` of every value, (n,), same index and name."""
    try:
        codes, different = pd.factorize(values, use_na_sentinel=True)
    except TypeError:  # lists, of a nested column: no keys of a table
        return values.map(normalize_id).astype(object)
    stored: Iterable[Any]
    if isinstance(values.dtype, np.dtype) and values.dtype.kind == "f":
        stored = np.asarray(different).astype(values.dtype)  # float64 of a float32 is 0.10000000149 instead of 0.1
    else:
        stored = different
    lookup = np.array([*(normalize_id(value) for value in stored), ""], dtype=object)
    return pd.Series(lookup[codes], index=values.index, name=values.name, dtype=object)


def as_key(values: pd.Series[Any]) -> pd.Series[str]:
    """Return :func:`as_text` of ``values``, (n,), in Unicode's composed form: the same however an accent was typed."""
    texts = as_text(values)
    composed = {text: unicodedata.normalize("NFC", text) for text in texts.unique() if not text.isascii()}
    return texts.map(lambda text: composed.get(text, text)).astype(object) if composed else texts


def has_lost_digits(values: pd.Series[Any]) -> bool:
    """Return whether ids were stored as floating-point numbers with so many digits that different ids are equal."""
    return bool(is_float_dtype(values.dtype) and (values.abs() >= _EXACT).any())


def quoting_hint(values: Iterable[Any], *, option: str) -> str:
    """Return an addition to the message about absent ``values``: an unquoted ``2021_08`` is the number 202108."""
    numbers = [value for value in values if isinstance(value, bool | int | float)]
    if not numbers:
        return ""
    return (
        f"; {preview(numbers)[1:-1]} was taken for a number or true/false: if it is written otherwise, e.g. 2021_08 or "
        f"007, put it in quotes: '{option}=[\"2021_08\"]'"
    )


def as_numbers(values: pd.Series[Any]) -> pd.Series[Any]:
    """Return every value as a number, (n,), same index and name: NaN if it is none, infinite if beyond float64."""
    try:
        return pd.to_numeric(values, errors="coerce")
    except OverflowError:  # Python's integers are unbounded
        return pd.to_numeric(values.map(str, na_action="ignore"), errors="coerce")


def as_list(values: Any) -> list[Any]:
    """Return a list as it is, a single value as a list of one, None as an empty list."""
    if values is None:
        return []
    return list(values) if isinstance(values, list | tuple) else [values]


def preview(values: Iterable[Any], limit: int = 8) -> str:
    """Return the first few of ``values`` for an error message, and how many more there are."""
    items = list(values)
    first = ", ".join(repr(v.item() if isinstance(v, np.generic) else v) for v in items[:limit])
    more = len(items) - limit
    return f"[{first}{f', and {more} more' if more > 0 else ''}]"
