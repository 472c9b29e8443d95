"""The leaderboard of the report."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.compare.comparison_group import ANCHORS, ComparisonGroup
from harness.compare.formatting import format_number, format_p_value
from harness.compare.report_section import Cell, Section
from harness.compare.table import CONTRAST, PROBE, REFERENCE, baseline_columns
from harness.scoring.bootstrap import FEWEST_BATCHES
from harness.tracking.stored_run import HEADLINE

Row = dict[Any, Any]


def leaderboard(group: ComparisonGroup) -> Section | None:
    """Return all finished runs with every number that ranks them, ``noise`` and ``oracle`` last."""
    if group.table.empty:
        return None
    ranked, trivial = group.ranked(), baseline_columns(group.table)
    paired = [model for model in group.models if _difference(model) in ranked]
    n_compared = [int(group.table[f"{_difference(model)}_p_holm"].notna().sum()) for model in paired]
    values = {
        "models": group.models,
        "paired": paired,
        "reference": REFERENCE,
        "baselines": list(trivial),
        "rows": [_cells(row, group.models, paired, list(trivial.values())) for row in ranked.to_dict("records")],
        "anchors": [name for name in ANCHORS if any(run.name == name for run in group.finished.values())],
        "interval_basis": group.interval_basis,
        "n_compared": list(dict.fromkeys(n_compared)) if any(n_compared) else [],
        "few_folds": _few_folds(group),
    }
    return Section("leaderboard", "Leaderboard", values)


def _difference(model: str) -> str:
    """Return the column of the paired difference of a model, ``<task>/<model>``."""
    return f"{model}/auroc_minus_{REFERENCE}"


def _cells(row: Row, models: list[str], paired: list[str], baseline_columns: list[str]) -> list[Cell]:
    cells = [Cell(row["norm"]), Cell(row["scope"]), Cell(str(row["verdict"]), is_verdict=True)]
    for model in models:
        cells += [_estimate(row, f"{model}/{metric}") for metric in HEADLINE]
        if model in paired:
            key = _difference(model)
            cells += [_estimate(row, key, "+"), Cell(format_p_value(row.get(f"{key}_p_holm", np.nan)))]
    cells.append(Cell(format_number(row[PROBE]), f"null {format_number(row[f'{PROBE}_null_mean'])}"))
    cells.append(_estimate(row, CONTRAST))
    return cells + [Cell(format_number(row[key]), row[f"{key}_is"]) for key in baseline_columns]


def _estimate(row: Row, key: str, sign: str = "") -> Cell:
    value, lower, upper = (row.get(column, np.nan) for column in (key, f"{key}_lower", f"{key}_upper"))
    return Cell.from_estimate(value, lower, upper, sign)


def _few_folds(group: ComparisonGroup) -> Row | None:
    """Return the AUROC on each held-out batch if there are fewer than four: an interval over so few means little."""
    folds = group.heldout_folds
    if not 0 < len(folds) < FEWEST_BATCHES:
        return None
    rows = []
    for name, model, by_fold in group.fold_scores(HEADLINE[0]):
        scores: dict[str, Any] = by_fold[["value", "lower", "upper"]].to_dict("index")  # type: ignore[assignment]
        cells = [Cell.from_estimate(**scores[fold]) if fold in scores else Cell("-") for fold in folds]
        rows.append([Cell(name), Cell(model), *cells])
    unit = {"batches": "batch", "folds": "fold"}[group.fold_unit]
    return {"folds": folds, "rows": rows, "unit": unit, "units": group.fold_unit}
