"""Report of how a reader understood its input: stored with the packed screen, printed and recorded by every run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from harness.store.manifest import read_manifest


class ReadingReport:
    """Lines and tables that a reader collects while it reads a source.

    Attributes
    ----------
    notes : lines on the content that was read, e.g. ``516 features; left out 14 columns: ...``.
    warnings : lines that say what may be wrong; printed as ``harness: warning: ...``.
    tables : rows of named tables, JSON-able, e.g. ``left_out_columns`` with ``column`` and ``reason``.
    """

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.warnings: list[str] = []
        self.tables: dict[str, list[dict[str, Any]]] = {}

    def note(self, line: str) -> None:
        self.notes.append(" ".join(line.split()))

    def lines(self, lines: Sequence[str]) -> None:
        """Note lines of a table, blanks as they are."""
        self.notes.extend(lines)

    def warn(self, line: str) -> None:
        self.warnings.append(" ".join(line.split()))

    def add_rows(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        self.tables.setdefault(table, []).extend(dict(row) for row in rows)

    def as_json(self) -> dict[str, Any]:
        """Return the content as plain containers, the same as it will be read from ``store.json``."""
        content: dict[str, Any] = json.loads(
            json.dumps({"notes": self.notes, "warnings": self.warnings, "tables": self.tables}, default=str)
        )
        return content

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> ReadingReport:
        report = cls()
        report.notes, report.warnings = list(content.get("notes", ())), list(content.get("warnings", ()))
        report.tables = {name: list(rows) for name, rows in content.get("tables", {}).items()}
        return report


@runtime_checkable
class Reporting(Protocol):
    """Source with a report on its input; the report is complete once ``plates()`` was read to the end."""

    @property
    def report(self) -> ReadingReport: ...


def report_of(source: object) -> ReadingReport:
    """Return the report of ``source``; an empty one if it has none."""
    return source.report if isinstance(source, Reporting) else ReadingReport()


def read_report(folder: Path) -> ReadingReport:
    """Return the report that was packed into the store ``folder``.

    Raises
    ------
    CorruptedStoreError : the manifest is absent or was changed.
    """
    return ReadingReport.from_json(read_manifest(folder).get("report", {}))
