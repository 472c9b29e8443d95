"""Result of a left join: the rows with and without a partner, and the report on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness.core.arrays import Mask
from harness.core.exceptions import InputError
from harness.store.reading_report import ReadingReport
from harness.utils.text import preview


@dataclass(frozen=True)
class JoinedRows:
    """Result of a left join.

    Attributes
    ----------
    table : the rows of the left table with the new columns, missing if a row has no partner.
    has_partner : (n,), whether a row has one.
    columns : the new columns.
    keys : name of each key to the values of the left rows and of the right rows, in comparable form, NaN if empty.
    """

    table: pd.DataFrame
    has_partner: Mask
    columns: tuple[str, ...]
    keys: Mapping[str, tuple[pd.Series[Any], pd.Series[Any]]]

    def report_partners(
        self, *, counted: Mask | None, refuse: bool, file: Path, setting: str, report: ReadingReport
    ) -> None:
        """Report how many of the rows ``counted`` (default: all) have a partner; refuse or warn if not all do.

        ``file``: the joined table. ``setting``: the setting that turns the refusal into a warning.

        Raises
        ------
        InputError : ``refuse``, and a row without a partner.
        """
        rows = np.ones(len(self.table), dtype=bool) if counted is None else counted
        missing = rows & ~self.has_partner
        total, lacking = int(rows.sum()), int(missing.sum())
        line = f"{file.name}: {total - lacking:,} of {total:,} rows have a partner (by {', '.join(self.keys)})"
        if not lacking:
            report.note(line)
            return
        line = f"{line}; {lacking:,} {'has' if lacking == 1 else 'have'} none: {self._culprits(missing)}"
        line += zeros_hint({name: (left[missing], right) for name, (left, right) in self.keys.items()})
        if refuse:
            raise InputError(
                f"{file.parent / line}; complete the table, leave plates out by data.exclude_plates, or set {setting} "
                "to go on with these rows unknown"
            )
        report.warn(line)

    def _culprits(self, missing: Mask) -> str:
        """Describe which keys of the rows ``missing`` are not in the joined table."""
        parts = []
        explained = np.zeros(len(missing), dtype=bool)
        for name, (left, right) in self.keys.items():
            empty = missing & left.isna().to_numpy() & ~explained
            if empty.any():
                parts.append(f"{name} is empty in {int(empty.sum()):,} rows")
            explained |= empty
            absent = missing & ~left.isin(right.dropna()).to_numpy() & ~explained
            if absent.any():
                counts = left[absent].value_counts(sort=False)
                names = ", ".join(f"{preview([value])[1:-1]} ({n:,} rows)" for value, n in counts.iloc[:5].items())
                more = f" and {len(counts) - 5:,} more" if len(counts) > 5 else ""
                parts.append(f"{name} {names}{more} {'is' if len(counts) == 1 else 'are'} not in it")
            explained |= absent
        rest = missing & ~explained
        if rest.any():
            first = int(np.flatnonzero(rest)[0])
            example = ", ".join(f"{name} {preview([left.iloc[first]])[1:-1]}" for name, (left, _) in self.keys.items())
            parts.append(f"{int(rest.sum()):,} rows, e.g. {example}, are not in it")
        return "; ".join(parts)


def zeros_hint(keys: Mapping[str, tuple[pd.Series[Any], pd.Series[Any]]]) -> str:
    """Return an addition to the message if unmatched values of a key differ from others by leading zeros only."""
    for name, (left, right) in keys.items():
        written = {str(value) for value in right.dropna().unique()}
        bare = {value.lstrip("0"): value for value in written}
        for value in map(str, left.dropna().unique()):
            other = bare.get(value.lstrip("0"))
            if other is not None and value not in written:
                return (
                    f"; {name} {value!r} and {other!r} differ by leading zeros, which a spreadsheet drops: write both "
                    "in the same way"
                )
    return ""
