"""Verdicts and scorecards of compared runs: the section of the report, and marks on a terminal."""

from __future__ import annotations

from typing import Any

import pandas as pd
from rich.markup import escape
from rich.table import Table

from harness.audit.scorecard.answer import Question, Reply
from harness.audit.scorecard.decision import Call
from harness.compare.comparison_group import ANCHORS, ComparisonGroup
from harness.compare.report_section import EmbeddedImage, Section
from harness.core import table_names
from harness.figure.scorecard import LEGEND, MARKS, draw_matrix, matrix
from harness.tracking.stored_run import stored_file, stored_table

COLUMNS = {"question", "answer", "good", "value", "sentence"}


def scorecards(group: ComparisonGroup) -> dict[str, pd.DataFrame]:
    """Return the table ``scorecard`` of each finished run that has one, by label, in the order of the leaderboard."""
    cards = {label: stored_table(group.runs[label], table_names.SCORECARD) for label in group.ranked()["norm"]}
    return {label: card for label, card in cards.items() if card is not None and set(card.columns) >= COLUMNS}


def runs_without_batch(group: ComparisonGroup, cards: dict[str, pd.DataFrame]) -> list[str]:
    """Return the runs after which the batch is gone and that are worth a try: no anchors, no leaks, no lost biology."""
    verdict = group.table.set_index("norm")["verdict"]
    return [
        label
        for label, card in cards.items()
        if ((card["question"] == Question.BATCH.value) & (card["answer"] == Reply.YES.value)).any()
        and verdict[label] not in (Call.LEAKS.value, Call.OVER.value)
        and group.runs[label].name not in ANCHORS
    ]


def verdicts(group: ComparisonGroup) -> Section | None:
    """Return the matrix of answers, and for each run its verdict in words with the folded scorecard."""
    if group.table.empty:
        return None
    cards = scorecards(group)
    alternatives = runs_without_batch(group, cards)
    runs, without_verdict = [], []
    for row in group.ranked().to_dict("records"):
        label, verdict = str(row["norm"]), str(row["verdict"])
        text = stored_file(group.runs[label], "verdict.txt") if verdict != "-" else None
        if text is None:
            without_verdict.append(label)
            continue
        run = {
            "label": label,
            "verdict": verdict,
            "headline": _headline(text.decode(errors="replace")),
            "alternatives": alternatives if verdict == Call.UNDER.value else [],
            "answers": _answers(cards[label]) if label in cards else [],
        }
        runs.append(run)
    chart = EmbeddedImage.from_figure(draw_matrix(matrix(cards)), caption=LEGEND, alt="Scorecard") if cards else None
    return Section("verdicts", "Verdicts", {"scorecards": chart, "runs": runs, "without_verdict": without_verdict})


def _headline(verdict_text: str) -> str:
    """Return the first paragraph without the verdict itself, which the page shows as a chip."""
    first = " ".join(verdict_text.strip().partition("\n\n")[0].split())
    return first.partition(": ")[2] or first


def _answers(card: pd.DataFrame) -> list[dict[str, str]]:
    rows: list[dict[str, Any]] = card.fillna({"good": ""}).to_dict("records")  # type: ignore[assignment]
    return [
        {
            "mark": MARKS.get(str(row["good"]), "?"),
            "question": str(row["text"]),
            "reply": str(row["answer"]),
            "sentence": str(row["sentence"]),
        }
        for row in rows
    ]


def scorecard_marks(group: ComparisonGroup) -> tuple[Table, str] | None:
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
