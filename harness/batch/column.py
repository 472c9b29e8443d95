"""Batches from a column of the wells table."""

from __future__ import annotations

import pandas as pd

from harness.core.exceptions import InputError
from harness.core.profiles import Profiles
from harness.settings.annotated_types import Name
from harness.utils.text import as_text, preview


class Column:
    """The value of ``column`` of the wells as the batch.

    Raises
    ------
    InputError : no such column, or one without values, or plates without a value.
    """

    def __init__(self, *, column: Name = "batch") -> None:
        self.column = column

    def assign(self, profiles: Profiles) -> pd.Series[str]:
        wells = profiles.wells
        remedy = "name one by batch.column, or derive batches from plate ids by batch=regex or batch=ranges"
        if self.column in profiles.features:
            raise InputError(
                f"batch: column {self.column!r} was read as a feature; name it by data.columns.batch={self.column}, or "
                "list the features without it by data.features"
            )
        if self.column not in wells:
            raise InputError(f"batch: no column {self.column!r}; found {preview(wells.columns, 20)}; {remedy}")
        batch = as_text(wells[self.column])
        if (batch == "").all():
            raise InputError(f"batch: column {self.column!r} is empty; found {preview(wells.columns, 20)}; {remedy}")
        blank = wells["plate"][batch == ""].unique()
        if len(blank):
            raise InputError(f"batch: column {self.column!r} is empty on plates {preview(blank)}; {remedy}")
        return batch
