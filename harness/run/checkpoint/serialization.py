"""Evaluations, findings and reports as tables for checkpoints, and back, bit by bit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from harness.core.evaluation import Evaluation, Split
from harness.core.exceptions import NotApplicable
from harness.core.finding import Finding
from harness.run.checkpoint.table_file import StoredTable
from harness.scoring.evaluate import Evaluated

Answer = Evaluated | NotApplicable
_FINDING_COLUMNS = {"key": str, "value": float, "lower": float, "upper": float, "n": int, "reason": str, "code": str}


def evaluations_to_table(answer: Answer) -> StoredTable:
    """Return the evaluations of one model on one fold as a table, or the reason why the model does not apply.

    The groups are stacked; columns are ``row`` in the wells table, ``y``, ``score`` and ``threshold``.
    """
    if isinstance(answer, NotApplicable):
        return StoredTable(pd.DataFrame(), {"reason": answer.reason})
    groups = [
        {"group": e.group, "unit": e.unit, "n": len(e.y), "one_threshold": np.ndim(e.threshold) == 0}
        for e in answer.evaluations
    ]
    tables = [
        pd.DataFrame({"row": e.rows, "y": e.y, "score": e.score, "threshold": e.threshold}) for e in answer.evaluations
    ]
    return StoredTable(pd.concat(tables) if tables else pd.DataFrame(), {"groups": groups, "declined": answer.declined})


def evaluations_from_table(stored: StoredTable, wells: pd.DataFrame, split: Split, seed: int) -> Answer:
    """Return what :func:`evaluations_to_table` stored; ``wells`` are those of the normalized profiles."""
    if "reason" in stored.metadata:
        return NotApplicable(stored.metadata["reason"])
    answer, start = Evaluated([], dict(stored.metadata["declined"])), 0
    for group in stored.metadata["groups"]:
        table = stored.table.iloc[start : start + group["n"]]
        start += group["n"]
        answer.evaluations.append(_evaluation(table, group, wells, split, seed))
    return answer


def _evaluation(table: pd.DataFrame, group: Any, wells: pd.DataFrame, split: Split, seed: int) -> Evaluation:
    rows, threshold = table["row"].to_numpy(dtype=np.intp), table["threshold"].to_numpy()
    return Evaluation(
        table["y"].to_numpy(),
        table["score"].to_numpy(),
        float(threshold[0]) if group["one_threshold"] else threshold,
        wells.iloc[rows].reset_index(drop=True),
        split,
        seed,
        group=group["group"],
        unit=group["unit"],
        rows=rows,
    )


def findings_to_table(findings: Sequence[Finding]) -> StoredTable:
    return StoredTable(
        pd.DataFrame([vars(f) for f in findings], columns=list(_FINDING_COLUMNS)).astype(_FINDING_COLUMNS), {}
    )


def findings_from_table(stored: StoredTable) -> list[Finding]:
    rows = stored.table.astype({"key": object, "reason": object, "code": object})[list(_FINDING_COLUMNS)].itertuples(
        index=False, name=None
    )
    return [Finding(*(kind(value) for kind, value in zip(_FINDING_COLUMNS.values(), row, strict=True))) for row in rows]


def reports_to_table(reports: Sequence[pd.DataFrame]) -> StoredTable:
    return StoredTable(pd.concat(reports, ignore_index=True) if reports else pd.DataFrame(), {})


def reports_from_table(stored: StoredTable) -> list[pd.DataFrame]:
    return [stored.table] if len(stored.table) else []
