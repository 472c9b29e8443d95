"""Findings of a check, and reports of a normalization, as tables; and back."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from harness.core.finding import Finding
from harness.run.checkpoint.table_file import StoredTable

_COLUMNS = {"key": str, "value": float, "lower": float, "upper": float, "n": int, "reason": str, "code": str}


def findings_to_table(findings: Sequence[Finding]) -> StoredTable:
    return StoredTable(pd.DataFrame([vars(f) for f in findings], columns=list(_COLUMNS)).astype(_COLUMNS), {})


def findings_from_table(kept: StoredTable) -> list[Finding]:
    rows = kept.table.astype({"key": object, "reason": object, "code": object})[list(_COLUMNS)].itertuples(
        index=False, name=None
    )
    return [Finding(*(kind(value) for kind, value in zip(_COLUMNS.values(), row, strict=True))) for row in rows]


def reports_to_table(reports: Sequence[pd.DataFrame]) -> StoredTable:
    return StoredTable(pd.concat(reports, ignore_index=True) if reports else pd.DataFrame(), {})


def reports_from_table(kept: StoredTable) -> list[pd.DataFrame]:
    return [kept.table] if len(kept.table) else []
