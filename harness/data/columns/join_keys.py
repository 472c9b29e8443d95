"""Bring the keys of two tables into a form in which they can be compared."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_float_dtype

from harness.data.columns import well_names
from harness.utils.text import as_key, as_numbers

NUMBERS = ("dose", "cell_count")  # standard columns that are compared as numbers, not as text


def comparable(
    left: pd.Series[Any], right: pd.Series[Any], standard: Collection[str]
) -> tuple[pd.Series[Any], pd.Series[Any]]:
    """Return both keys in comparable form, (n_left,) and (n_right,), missing if they are empty.

    Keys are compared as text, without outer blanks and whatever the Unicode form, whole numbers as whole numbers; wells
    by their standard name; doses, counts, and floating-point numbers with a fraction as numbers, if both keys hold only
    numbers. ``standard``: the standard names of the left column.
    """
    sides = left, right
    if any(name in standard for name in NUMBERS) or any(_is_measured(side) for side in sides):
        numbers = [_as_written_numbers(side) for side in sides]
        if all(bool((n.notna() | (as_key(s) == "")).all()) for n, s in zip(numbers, sides, strict=True)):
            return numbers[0], numbers[1]
    texts = [as_key(side) for side in sides]
    if "well" in standard:
        texts = [well_names.standardize(side)["well"] for side in texts]
    return texts[0].where(texts[0] != "", np.nan), texts[1].where(texts[1] != "", np.nan)


def _is_measured(column: pd.Series[Any]) -> bool:
    """Return whether the column has no written form: floating-point numbers with a fraction."""
    if not is_float_dtype(column.dtype):
        return False
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    values = values[np.isfinite(values)]
    return bool((values != np.round(values)).any())


def _as_written_numbers(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return the number of the shortest text of each value, float64 (n,), so that 0.1 of float32 is 0.1."""
    texts = as_key(column)
    return as_numbers(texts.where(texts != "", np.nan)).astype("float64")
