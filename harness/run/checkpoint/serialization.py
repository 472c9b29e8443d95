"""Evaluations of one model on one fold as a table, and back, bit by bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from harness.core.evaluation import Evaluation, Split
from harness.core.exceptions import NotApplicable
from harness.run.checkpoint.table_file import StoredTable
from harness.scoring.evaluate import Evaluated

Answer = Evaluated | NotApplicable


def evaluations_to_table(answer: Answer) -> StoredTable:
    """Return rows of all groups, one below the other: ``row`` in the wells table, ``y``, ``score`` and
    ``threshold``.
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


def evaluations_from_table(kept: StoredTable, wells: pd.DataFrame, split: Split, seed: int) -> Answer:
    """Return ``wells``: of the normalized profiles, whose rows were predicted."""
    if "reason" in kept.about:
        return NotApplicable(kept.about["reason"])
    answer, start = Evaluated([], dict(kept.about["declined"])), 0
    for about in kept.about["groups"]:
        table = kept.table.iloc[start : start + about["n"]]
        start += about["n"]
        answer.evaluations.append(_evaluation(table, about, wells, split, seed))
    return answer


def _evaluation(table: pd.DataFrame, about: Any, wells: pd.DataFrame, split: Split, seed: int) -> Evaluation:
    rows, threshold = table["row"].to_numpy(dtype=np.intp), table["threshold"].to_numpy()
    return Evaluation(
        table["y"].to_numpy(),
        table["score"].to_numpy(),
        float(threshold[0]) if about["one_threshold"] else threshold,
        wells.iloc[rows].reset_index(drop=True),
        split,
        seed,
        group=about["group"],
        unit=about["unit"],
        rows=rows,
    )
