"""Leave out the rows of the plates that the setting ``exclude_plates`` names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from harness.core.exceptions import InputError
from harness.utils.text import as_text, preview


def included_rows(plates: pd.Series[Any], excluded: Sequence[str], *, source: str, hint: str = "") -> pd.Series[bool]:
    """Return which rows belong to a plate that is not ``excluded``, (n,); ``hint`` ends the error message.

    Raises
    ------
    InputError : an excluded plate that does not occur, or no plate remains.
    """
    names = as_text(plates)
    if unknown := [plate for plate in excluded if plate not in set(names)]:
        raise InputError(
            f"{source}: exclude_plates names {preview(unknown)}; found plates {preview(names.unique())}{hint}"
        )
    included = ~names.isin(excluded)
    if not included.any():
        raise InputError(f"{source}: exclude_plates leaves no plate; found {preview(names.unique())}")
    return included
