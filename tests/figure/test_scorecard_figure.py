from __future__ import annotations

from typing import Any

import pytest
from matplotlib.patches import Rectangle

from harness.audit.scorecard.answer import Question
from harness.audit.scorecard.evidence import ScreenDesign
from harness.audit.verdict import Verdict
from harness.core.exceptions import NotApplicable
from harness.figure.scorecard import COLOURS, MARKS, Scorecard, draw_matrix, matrix


def test_a_cell_for_each_norm_and_question_with_a_mark_beside_its_colour() -> None:
    card = Verdict().decide([], ScreenDesign(5, 20)).scorecard()
    good = card.assign(good="yes", value=0.5)
    table = matrix({"raw": card, "tvn": good})
    assert len(table) == 2 * len(Question)
    figure = draw_matrix(table)
    (axes,) = figure.axes
    cells = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    assert len(cells) == 2 * len(Question)
    texts = [text.get_text() for text in axes.texts]
    assert texts.count(MARKS[""]) == len(Question)
    assert texts.count(f"{MARKS['yes']} 0.50") == len(Question)
    assert len(set(COLOURS.values())) == len(set(MARKS.values())) == 3
    assert [label.get_text() for label in axes.get_yticklabels()] == ["raw", "tvn"]


def test_without_a_verdict_there_is_no_scorecard() -> None:
    class Run:
        scorecard: Any = None

    with pytest.raises(NotApplicable, match="verdict"):
        Scorecard().tables(Run())  # type: ignore[arg-type]
