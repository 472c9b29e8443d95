"""Describe what was taken for what: a table to record, and six lines to print."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from harness.data.conventions.decision import Decision

_ROLES = {"controls": "negcon", "poscon": "poscon", "empty": "empty"}


def conventions_table(decision: Decision, wells: pd.DataFrame, mapped: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return rows ``what, taken_from, by, values``: ``by`` is ``setting`` or ``convention``.

    ``wells``: the wells table (:func:`harness.data.wells.wells_table`) that was made of ``decision``.
    """
    rows = []
    for name in ("plate", "well", "site", "batch", "compound", "dose", "cell_count"):
        column = decision.origins.get(name) or decision.columns.get(name, "")
        by = "setting" if name in mapped else "convention" if column else ""
        n = wells[name].nunique() if column and name in wells else 0
        rows.append({"what": name, "taken_from": column, "by": by, "values": int(n)})
    unique = wells.drop_duplicates(["plate", "well"])
    for option, role in _ROLES.items():
        origin = decision.origins.get(option, "")
        by = "setting" if origin == f"data.{option}" else "convention" if origin else ""
        n = int((unique["role"] == role).sum())
        rows.append({"what": option, "taken_from": origin, "by": by, "values": n})
    return rows


def lines(rows: list[dict[str, Any]]) -> list[str]:
    """Return the six lines ``what | taken from | how many`` of :func:`conventions_table`."""
    row = {row["what"]: row for row in rows}
    controls = row["controls"]
    extra = [f"{row[option]['values']} {word} by {row[option]['taken_from']}"
             for option, word in (("poscon", "positive"), ("empty", "empty")) if row[option]["values"]]  # fmt: skip
    others = [f"{name.replace('_', ' ')} {row[name]['taken_from']}"
              for name in ("site", "dose", "cell_count") if row[name]["taken_from"]]  # fmt: skip
    cells = [
        ("plate", row["plate"]["taken_from"], _counted(row["plate"]["values"], "plate")),
        ("well", row["well"]["taken_from"], _counted(row["well"]["values"], "position")),
        ("batch", row["batch"]["taken_from"], f"{_counted(row['batch']['values'], 'batch')}, unless batch= says otherwise"),
        ("compound", row["compound"]["taken_from"] or "no column", _counted(row["compound"]["values"], "compound")),
        ("controls", controls["taken_from"], "; ".join([_counted(controls["values"], "well"), *extra])),
        ("besides", ", ".join(others) or "no site, dose or cell count", ""),
    ]
    widths = [max(len(cell[i]) for cell in cells) for i in (0, 1)]
    return [f"  {a:<{widths[0]}}  {b:<{min(widths[1], 44)}}  {c}".rstrip() for a, b, c in cells]


def _counted(n: int, noun: str) -> str:
    plural = "" if n == 1 else "es" if noun.endswith("ch") else "s"
    return f"{n:,} {noun}{plural}"
