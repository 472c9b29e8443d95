"""The page ``verdict.txt``: the decision, the scorecard and the evidence as plain text."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from textwrap import fill

from harness.audit.scorecard.answer import Answer
from harness.audit.scorecard.evidence import ScreenDesign
from harness.audit.scorecard.texts import number, sentence, span

WIDTH = 100
MARKS = {True: "+", False: "-", None: "?"}
YARDSTICK = "Yardstick: plates scaled by their controls, or raw profiles; neither loses what lies within a plate."


def verdict_page(headline: str, answers: Sequence[Answer], design: ScreenDesign, note: str) -> str:
    """Return the page; every line is at most 100 characters wide."""
    lines = [fill(headline, WIDTH), ""]
    if note:
        lines += [fill(note, WIDTH), ""]
    lines.append(f"Scorecard ({design.n_batches} batches, {design.n_plates} plates); + good, - bad, ? cannot tell")
    for a in answers:
        lines.append(f"{MARKS[a.good]} {a.question.text} {a.reply.value}")
        lines.append(fill(sentence(a), WIDTH, initial_indent="    ", subsequent_indent="    "))
    if any("yardstick" in sentence(a) for a in answers):
        lines += ["", YARDSTICK]
    lines += ["", "Evidence (all of it is in the tables scorecard, verdict and audit)"]
    for a in answers:
        if a.key:
            limit = "" if isnan(a.limit) else f", compared with {number(a.limit)}"
            lines.append(f"  {a.key} {number(a.value)}{span(a)}{limit}"[:WIDTH])
    return "\n".join(lines)
