"""A source without some of its plates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from harness.core.arrays import Floats
from harness.core.exceptions import InputError
from harness.store.reading_report import ReadingReport, report_of
from harness.store.source import Source
from harness.utils.text import as_list, normalize_id, preview, quoting_hint


class PlateFilter:
    """``source`` without the plates named in ``plates``.

    Raises
    ------
    InputError : a name that no plate has, or no plate left.
    """

    def __init__(self, source: Source, plates: str | int | Sequence[str | int]) -> None:
        self.source = source
        self.given = as_list(plates)
        self.excluded = sorted({normalize_id(plate) for plate in as_list(plates)})

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def report(self) -> ReadingReport:
        return report_of(self.source)

    def key(self) -> dict[str, Any]:
        return {**self.source.key(), "exclude_plates": self.excluded}

    def features(self) -> list[str]:
        return self.source.features()

    def plates(self) -> Iterator[tuple[Floats, pd.DataFrame, Floats | None]]:
        seen = []
        for X, wells, planted in self.source.plates():
            seen.append(normalize_id(wells["plate"].iloc[0]))
            if seen[-1] not in self.excluded:
                yield X, wells, planted
        if unknown := [plate for plate in self.excluded if plate not in seen]:
            hint = quoting_hint(self.given, option="data.exclude_plates")
            raise InputError(f"data.exclude_plates names {preview(unknown)}; found plates {preview(seen)}{hint}")
        if set(seen) <= set(self.excluded):
            raise InputError(f"data.exclude_plates leaves no plate; found {preview(seen)}")

    def tables(self) -> dict[str, pd.DataFrame]:
        return dict(self.source.tables())
