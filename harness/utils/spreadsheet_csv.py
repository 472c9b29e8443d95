"""CSV files for spreadsheets, which take text from data for formulas and run them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # OWASP, "CSV injection"; full-width signs count in some locales
_FULL_WIDTH = ("\uff1d", "\uff0b", "\uff0d", "\uff20")


def escape_formula(cell: Any) -> Any:
    """Return ``cell``, with an apostrophe before text that a spreadsheet would take for a formula.

    Numbers stay numbers, also those written as text: ``-3.5`` is no formula.
    """
    if not isinstance(cell, str) or not cell.startswith(_FORMULA + _FULL_WIDTH) or _is_number(cell):
        return cell
    return f"'{cell}"


def spreadsheet_csv(table: pd.DataFrame, path: Path | str | None = None) -> str | None:
    """Write ``table`` as CSV without its index, free of formulas; return the text if ``path`` is None.

    Raises
    ------
    OSError : ``path`` cannot be written.
    """
    safe = table.copy()
    for place, name in enumerate(table.columns):
        column = table[name] if table.columns.is_unique else table.iloc[:, place]
        if not pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_datetime64_any_dtype(column):
            safe.isetitem(place, [escape_formula(cell) for cell in column])
    safe.columns = [escape_formula(name) for name in table.columns]
    text: str | None = safe.to_csv(path, index=False)
    return text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text == text.strip()
