"""The table of the calibration, as Markdown and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from experiments.verdict_calibration.cells import Cell
from harness.audit.scorecard.decision import Call

WORDS = [call.value for call in Call]
Row = dict[str, Any]


def frequencies(cells: Sequence[Cell], rows: Sequence[Row]) -> pd.DataFrame:
    """Return one row per cell that has verdicts: share of each word, seeds, what is required, and whether it holds.

    Columns ``row, screen, method``, the words, ``seeds, required, holds`` (yes, no, or empty if nothing is required),
    ``open`` (the question that was left open most often) and ``seconds`` (mean).
    """
    table = []
    by_cell: dict[str, list[Row]] = {}
    for row in rows:
        by_cell.setdefault(row["cell"], []).append(row)
    for cell in cells:
        audits = by_cell.get(cell.name, [])
        if not audits:
            continue
        shares = {word: sum(a["verdict"] == word for a in audits) / len(audits) for word in WORDS}
        holds = all(rule.holds(shares) for rule in cell.rules)
        table.append(
            {
                "row": cell.row,
                "screen": cell.screen,
                "method": cell.method,
                **shares,
                "seeds": len(audits),
                "required": ", ".join(str(rule) for rule in cell.rules),
                "holds": ("yes" if holds else "no") if cell.rules else "",
                "open": most_open(audits),
                "seconds": float(np.mean([a["seconds"] for a in audits])),
            }
        )
    return pd.DataFrame(table)


def most_open(audits: Sequence[Row]) -> str:
    """Return the question most often left open in inconclusive audits, with its code; empty if none was."""
    replies = [
        f"{answer['question']} ({answer['code']})"
        for a in audits
        if a["verdict"] == Call.INCONCLUSIVE.value
        for answer in a["answers"]
        if answer["answer"] == "cannot tell" and answer["question"] not in ("helps", "batch_cost", "position")
    ]
    if not replies:
        return ""
    counts = pd.Series(replies).value_counts()
    return f"{counts.index[0]} {counts.iloc[0]}x"


def markdown(table: pd.DataFrame) -> str:
    """Return the table in Markdown, shares in percent; empty cells if a verdict was never given."""

    def text(name: str, value: Any) -> str:
        if name in WORDS:
            return f"{value:.0%}" if value else ""
        return f"{value:.1f}" if isinstance(value, float) else str(value)

    lines = [list(table.columns), ["---"] * len(table.columns)]
    lines += [[text(n, row[n]) for n in table.columns] for row in table.to_dict("records")]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def draw(table: pd.DataFrame) -> Figure:
    """Return the table as a picture: a row per cell, a column per verdict, shares in the cells; misses are marked."""
    shares = table[WORDS].to_numpy()
    figure = Figure(figsize=(10.5, 0.24 * len(table) + 1.4), dpi=150, layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (i, j), share in np.ndenumerate(shares):
        if share:
            color = "white" if share > 0.5 else "black"
            axes.text(j, i, f"{share:.0%}", ha="center", va="center", color=color, fontsize=7)
    axes.set_xticks(range(len(WORDS)), [word.replace("-", "-\n").replace(" ", "\n") for word in WORDS], fontsize=7)
    axes.xaxis.tick_top()
    names = [f"{r}: {s}: {m}" for r, s, m in zip(table["row"], table["screen"], table["method"], strict=True)]
    axes.set_yticks(range(len(table)), names, fontsize=7)
    for i, (required, holds) in enumerate(zip(table["required"], table["holds"], strict=True)):
        mark = {"yes": "\u2713 ", "no": "\u2717 missed: "}.get(holds, "")
        weight = "bold" if holds == "no" else "normal"
        axes.text(len(WORDS) - 0.4, i, mark + required, va="center", fontsize=6.5, fontweight=weight)
    starts = np.flatnonzero(table["row"].ne(table["row"].shift()).to_numpy())
    axes.hlines(starts[1:] - 0.5, -0.5, len(WORDS) - 0.5, color="black", linewidth=0.8)
    axes.tick_params(length=0)
    axes.set_title("share of simulated screens that got each verdict, and what was required", fontsize=9)
    return figure
