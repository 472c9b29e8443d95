"""Batches from a regular expression on the plate id."""

from __future__ import annotations

import re

import pandas as pd

from harness.core.exceptions import InputError
from harness.core.profiles import Profiles
from harness.settings.annotated_types import Name, Pattern
from harness.utils.text import as_text, preview


class Regex:
    """The first group of ``pattern`` as the batch, or the whole match if it has no group.

    The pattern is searched for in ``column``; ``^`` and ``$`` tie it to the ends.

    Raises
    ------
    InputError : an invalid pattern, no such column, or plates that do not match.
    """

    def __init__(self, *, pattern: Pattern, column: Name = "plate") -> None:
        self.pattern = pattern
        self.column = column

    def assign(self, profiles: Profiles) -> pd.Series[str]:
        wells = profiles.wells
        try:
            pattern = re.compile(self.pattern)
        except re.error as error:
            raise InputError(f"batch: pattern {self.pattern!r} is not a regular expression: {error}") from error
        if self.column not in wells:
            raise InputError(f"batch: no column {self.column!r}; found {preview(wells.columns, 20)}; set batch.column")
        ids = as_text(wells[self.column])
        matches = {name: pattern.search(name) for name in ids.unique()}
        group = 1 if pattern.groups else 0
        batch = ids.map({name: (match[group] or "") if match else "" for name, match in matches.items()})
        blank = wells["plate"][batch == ""].unique()
        if len(blank):
            raise InputError(
                f"batch: pattern {self.pattern!r} finds no batch in column {self.column!r} of {len(blank)} plates "
                f"{preview(blank)}; every plate must match"
            )
        return batch
