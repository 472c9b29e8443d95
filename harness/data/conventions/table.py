"""Describe the columns and rules that were used: a table to record, and six lines to print."""

from __future__ import annotations

from typing import Any

import pandas as pd

from harness.data.columns.well_roles import OPTIONS
from harness.data.conventions.decision import Decision


def conventions_table(decision: Decision, wells: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows ``what, taken_from, by, values``: ``by`` is ``setting`` or ``convention``.

    ``wells``: the wells table (:func:`harness.data.columns.wells_table.wells_table`) made with ``decision``.
    """
    rows = []
    for name in ("plate", "well", "site", "batch", "compound", "dose", "cell_count"):
        column = decision.origins.get(name) or decision.columns.get(name, "")
        by = "setting" if name in decision.settings else "convention" if column else ""
        n = wells[name].nunique() if column and name in wells else 0
        rows.append({"what": name, "taken_from": column, "by": by, "values": int(n)})
    unique = wells.drop_duplicates(["plate", "well"])
    for option, role in OPTIONS.items():
        origin = decision.origins.get(option, "")
        by = "setting" if option in decision.settings else "convention" if origin else ""
        n = int((unique["role"] == role).sum())
        rows.append({"what": option, "taken_from": origin, "by": by, "values": n})
    return rows


def nameless_warning(decision: Decision, wells: pd.DataFrame) -> str | None:
    """Return one line if wells without a compound count as treated by convention, or None."""
    if "compound" not in wells or "controls" in decision.settings:
        return None
    nameless = (wells["role"] == "treated") & (wells["compound"] == "")
    column = decision.columns["compound"]
    if not nameless.any() or not (wells["compound"][wells["role"] == "treated"] != "").any():
        return None
    return (
        f"{int(nameless.sum()):,} rows without {column} count as treated; if they are controls or empty, set "
        f"data.controls (column: {column}, values: ['', ...]) or data.empty.column={column} \"data.empty.values=['']\""
    )


def cells(rows: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """Return six rows ``what, taken from, how many`` of :func:`conventions_table`."""
    row = {row["what"]: row for row in rows}
    extra = [
        f"{row[option]['values']:,} {word} ({row[option]['taken_from']})"
        for option, word in (("poscon", "positive"), ("empty", "empty"))
        if row[option]["values"]
    ]
    others = [(name, row[name]["taken_from"]) for name in ("site", "dose", "cell_count")]
    counts = {name: row[name]["values"] for name in ("plate", "well", "batch", "compound", "controls")}
    return [
        ("plate", row["plate"]["taken_from"], _counted(counts["plate"], "plate")),
        ("well", row["well"]["taken_from"], _counted(counts["well"], "position")),
        ("batch", row["batch"]["taken_from"], f"{_counted(counts['batch'], 'batch')} for batch=column"),
        ("compound", row["compound"]["taken_from"] or "no column", _counted(counts["compound"], "compound")),
        ("controls", row["controls"]["taken_from"], "; ".join([_counted(counts["controls"], "well"), *extra])),
        ("also", ", ".join(f"{name.replace('_', ' ')} {column}" for name, column in others if column) or "-", ""),
    ]


def lines(rows: list[dict[str, Any]]) -> list[str]:
    """Return :func:`cells` as lines of a table."""
    content = cells(rows)
    width = max(len(taken_from) for _, taken_from, count in content if count)
    return [f"  {what:<8}  {taken_from:<{width}}  {count}".rstrip() for what, taken_from, count in content]


def _counted(n: int, noun: str) -> str:
    plural = "" if n == 1 else "es" if noun.endswith("ch") else "s"
    return f"{n:,} {noun}{plural}"
