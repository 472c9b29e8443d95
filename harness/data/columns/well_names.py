"""Parse names of wells: ``a1``, ``A01`` and ``r01c01`` are the same well, written ``A01``."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from harness.utils.text import as_text

_LETTERS = re.compile(r"([A-Za-z]|[Aa][A-Za-z])(\d{1,3})")  # A..Z, then AA..AZ (1,536 wells end with AF48)
_NUMBERS = re.compile(r"[Rr](\d{1,3})[Cc](\d{1,3})")


class Position(NamedTuple):
    """Row and column of a well, counted from 1."""

    row: int
    column: int

    @property
    def name(self) -> str:
        letters = chr(ord("A") + (self.row - 1) % 26)
        return f"{'A' if self.row > 26 else ''}{letters}{self.column:02d}"


def position(name: str) -> Position | None:
    """Return row and column of the well ``name``, or None if the name is not understood."""
    match = _LETTERS.fullmatch(name)
    if match:
        row = 0
        for letter in match[1].upper():
            row = 26 * row + ord(letter) - ord("A") + 1
    else:
        match = _NUMBERS.fullmatch(name)
        if not match:
            return None
        row = int(match[1])
    column = int(match[2])
    return Position(row, column) if 1 <= row <= 52 and 1 <= column <= 99 else None


def standardize(names: pd.Series[Any]) -> pd.DataFrame:
    """Return columns ``well`` (canonical, like ``B02``), ``row`` and ``column`` (from 1); same index as ``names``.

    A name that is not understood stays as it is, its row and column missing (nullable integers); if no name is
    understood there is no ``row`` and no ``column``.
    """
    wells = as_text(names)
    places = {name: position(name) for name in wells.unique()}
    well = wells.map({name: place.name if place else name for name, place in places.items()})
    understood = [place is not None for place in places.values()]
    if not any(understood):
        return pd.DataFrame({"well": well})
    dtype = np.dtype("int64") if all(understood) else pd.Int64Dtype()
    row = wells.map({name: place.row if place else pd.NA for name, place in places.items()}).astype(dtype)
    column = wells.map({name: place.column if place else pd.NA for name, place in places.items()}).astype(dtype)
    return pd.DataFrame({"well": well, "row": row, "column": column})
