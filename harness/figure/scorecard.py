"""The scorecard as a coloured matrix: normalizations x questions, a mark and a number in each cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.patches import Rectangle

from harness.audit.scorecard.answer import Question
from harness.core.exceptions import NotApplicable
from harness.figure.base import FigureContext, FigureMember
from harness.plotting.style import MEDIUM, SMALL, add_headline, label, new_figure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


COLOURS = {"yes": "#009E73", "no": "#D55E00", "": "#E3E3E3"}  # Okabe and Ito 2008; read with the marks
MARKS = {"yes": "\N{CHECK MARK}", "no": "\N{MULTIPLICATION SIGN}", "": "?"}
CELL = (0.92, 0.42)  # inches


class Scorecard(FigureMember):
    """One row of the matrix: the answers on this run; ``harness.compare`` draws a row for each normalization."""

    def tables(self, run: FigureContext) -> dict[str, pd.DataFrame]:
        """Return ``scorecard_matrix``: ``norm, question, answer, good, value``.

        Raises NotApplicable without a verdict.
        """
        if run.scorecard is None:
            raise NotApplicable("no scorecard: audit has no verdict")
        return {"scorecard_matrix": matrix({run.norm: run.scorecard})}

    def draw(self, tables: dict[str, pd.DataFrame], run: FigureContext) -> dict[str, Figure]:
        """Return ``scorecard``: the matrix."""
        assert run.scorecard is not None
        figure = draw_matrix(tables["scorecard_matrix"])
        first = run.scorecard.iloc[0]
        counts = f"{first['n_batches']:,} batches · {first['n_plates']:,} plates · {LEGEND}"
        add_headline(figure, "Scorecard", run, counts)
        return {"scorecard": figure}


LEGEND = f"{MARKS['yes']} good   {MARKS['no']} bad   {MARKS['']} cannot tell"


def matrix(cards: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the scorecards of several runs as one table: ``norm, question, answer, good, value``, norms in order."""
    columns = ["question", "answer", "good", "value"]
    parts = [card[columns].assign(norm=norm) for norm, card in cards.items()]
    return pd.concat(parts, ignore_index=True)[["norm", *columns]]


def draw_matrix(table: pd.DataFrame) -> Figure:
    """Draw the table of :func:`matrix`: green and a check mark is good, vermilion and a cross bad, grey unknown."""
    norms = list(table["norm"].unique())
    questions = [question for question in Question if (table["question"] == question.value).any()]
    figure, (axes,) = new_figure(CELL[0] * len(questions), CELL[1] * len(norms))
    for row in table.to_dict("records"):
        x, y = questions.index(Question(row["question"])), norms.index(row["norm"])
        _draw_cell(axes, x, y, row["good"], row["value"])
    axes.set_xlim(0, len(questions))
    axes.set_ylim(len(norms), 0)
    names = [question.short.replace(" ", "\n", 1) for question in questions]
    axes.set_xticks([i + 0.5 for i in range(len(questions))], names, fontsize=SMALL)
    axes.set_yticks([i + 0.5 for i in range(len(norms))], [label(norm, 28) for norm in norms], fontsize=SMALL)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure


def _draw_cell(axes: Axes, x: int, y: int, good: str, value: float) -> None:
    axes.add_patch(Rectangle((x + 0.02, y + 0.04), 0.96, 0.92, facecolor=COLOURS[good], edgecolor="none"))
    number = "" if pd.isna(value) else f" {value:.2f}"
    dark = good == ""
    text = f"{MARKS[good]}{number}"
    axes.text(x + 0.5, y + 0.5, text, ha="center", va="center", fontsize=MEDIUM, color="black" if dark else "white")
