"""The scorecards of compared runs: as a matrix, as marks on a terminal, and with their reasons on the page."""

from __future__ import annotations

from typing import Any

import pandas as pd
from rich.markup import escape
from rich.table import Table

from harness.audit.scorecard.answer import Question, Reply
from harness.audit.scorecard.decision import Call
from harness.compare import plots
from harness.compare.comparison_group import ANCHORS, Group
from harness.compare.html import Html, image, join, note, tag
from harness.compare.report_section import Section, chip
from harness.core import table_names
from harness.figure.scorecard import LEGEND, MARKS, draw_matrix, matrix
from harness.tracking.stored_run import stored_file, stored_table

COLUMNS = {"question", "answer", "good", "value", "sentence"}


def scorecards(group: Group) -> dict[str, pd.DataFrame]:
    """Return the table ``scorecard`` of each finished run that has one, by label, in the order of the leaderboard."""
    cards = {label: stored_table(group.runs[label], table_names.SCORECARD) for label in group.ranked()["norm"]}
    return {label: card for label, card in cards.items() if card is not None and set(card.columns) >= COLUMNS}


def removing_the_batch(group: Group, cards: dict[str, pd.DataFrame]) -> list[str]:
    """Return the runs after which the batch is gone and that are worth a try: no anchors, no leaks, no lost biology."""
    verdict = group.table.set_index("norm")["verdict"]
    return [
        label
        for label, card in cards.items()
        if ((card["question"] == Question.BATCH.value) & (card["answer"] == Reply.YES.value)).any()
        and verdict[label] not in (Call.LEAKS.value, Call.OVER.value)
        and group.runs[label].name not in ANCHORS
    ]


def section(group: Group) -> Section | None:
    """Return the matrix of answers, and for each run its verdict in words with the folded scorecard."""
    if group.table.empty:
        return None
    cards = scorecards(group)
    content: list[Html] = []
    if cards:
        figure = draw_matrix(matrix(cards))
        content.append(tag("div", image(plots.svg(figure), "svg+xml", LEGEND, alt="Scorecard"), class_="plot"))
    parts, without = [], []
    others = removing_the_batch(group, cards)
    for row in group.ranked().to_dict("records"):
        label = str(row["norm"])
        page = stored_file(group.runs[label], "verdict.txt") if row["verdict"] != "-" else None
        if page is None:
            without.append(label)
            continue
        headline = _headline(page.decode(errors="replace"))
        details = _details(cards[label]) if label in cards else ""
        advice = _advice(str(row["verdict"]), others)
        parts.append(join([tag("dt", label, " ", chip(str(row["verdict"]))), tag("dd", headline, advice, details)]))
    content += [tag("dl", *parts)] if parts else []
    if without:
        content.append(
            note(f"No verdict was recorded for: {', '.join(without)}. A run gives one with audit=[..,verdict].")
        )
    return Section("verdicts", "Verdicts", content)


def _headline(page: str) -> str:
    """Return the first paragraph without the word, which stands beside it."""
    first = " ".join(page.strip().partition("\n\n")[0].split())
    return first.partition(": ")[2] or first


def _advice(verdict: str, others: list[str]) -> str:
    if verdict != Call.UNDER.value or not others:
        return ""
    return f" Of the runs here, these remove the batch: {', '.join(others)}."


def _details(card: pd.DataFrame) -> Html:
    rows: list[dict[str, Any]] = card.fillna({"good": ""}).to_dict("records")  # type: ignore[assignment]
    items = [
        tag("li", tag("b", f"{MARKS.get(str(row['good']), '?')} {row['text']} {row['answer']}"), f". {row['sentence']}")
        for row in rows
    ]
    return tag("details", tag("summary", "scorecard"), tag("ul", *items))


def marks(group: Group) -> tuple[Table, str] | None:
    """Return the answers as marks for a terminal, a row for each run, and a legend; None if no run has a scorecard."""
    cards = scorecards(group)
    if not cards:
        return None
    answers = matrix(cards).fillna({"good": ""})
    questions = [question for question in Question if (answers["question"] == question.value).any()]
    table = Table(box=None, pad_edge=False)
    for name in ("norm", "verdict"):
        table.add_column(name, no_wrap=True)
    for i, _ in enumerate(questions, 1):
        table.add_column(str(i), justify="center")
    verdict = group.table.set_index("norm")["verdict"]
    for label, rows in answers.groupby("norm", sort=False):
        good = rows.set_index("question")["good"]
        cells = [MARKS.get(good.get(question.value, ""), "?") for question in questions]
        table.add_row(escape(str(label)), escape(str(verdict[label])), *cells)
    heads = ", ".join(f"{i} {question.short}" for i, question in enumerate(questions, 1))
    return table, f"{heads}. {' '.join(LEGEND.split())}"
