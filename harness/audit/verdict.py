"""The verdict: the scorecard of a run, summarized in one word."""

from __future__ import annotations

from collections.abc import Sequence

from harness.audit.scorecard.answer import Answer, Question
from harness.audit.scorecard.batch import batch_cost, batch_gone
from harness.audit.scorecard.biology import common_effects_kept, effects_kept, identity_kept
from harness.audit.scorecard.decision import BIOLOGY, REQUIRED, Call, Decision
from harness.audit.scorecard.evidence import Evidence, ScreenDesign
from harness.audit.scorecard.manufactures import manufactures_signal
from harness.audit.scorecard.margins import Margins
from harness.audit.scorecard.position import position
from harness.audit.scorecard.signal import helps, signal
from harness.core.finding import Finding
from harness.scoring.bootstrap import FEWEST_BATCHES


class Verdict(Margins):
    """Summarize the scorecard of a run in one word; its settings are the :class:`Margins`.

    The word is the gravest that applies:

    1. ``leaks``: the normalization manufactures signal.
    2. ``over-normalizes``: there is something to keep (or scores show something that only position may explain), and
       the identity of compounds, added effects, or effects as common as in this screen are lost.
    3. ``under-normalizes``: the batch is not gone.
    4. ``no signal``: there is nothing to keep, shown by equivalence.
    5. ``sound``: all of this is shown: no signal is manufactured, the batch is gone, there is something to keep, and it
       is kept.
    6. ``inconclusive``: none of these; the action names what would settle it.

    Every claim needs an interval that excludes its opposite by a margin, at 95% one-sided.
    """

    def decide(self, findings: Sequence[Finding], design: ScreenDesign, *, note: str = "") -> Decision:
        """Decide on one run. Checks that are switched off or do not apply leave their question open."""
        answers = scorecard(Evidence(findings, design), self)
        notes = [_few_batches(design), note]
        return Decision(_word(answers), tuple(answers.values()), design, " ".join(n for n in notes if n))


def scorecard(evidence: Evidence, margins: Margins) -> dict[Question, Answer]:
    """Return the answer to every question, in the order of the scorecard."""
    position_answer = position(evidence, margins)
    answers = (
        manufactures_signal(evidence, margins),
        position_answer,
        batch_gone(evidence, margins),
        batch_cost(evidence, margins),
        identity_kept(evidence, margins),
        effects_kept(evidence, margins),
        common_effects_kept(evidence, margins),
        signal(evidence, margins, position_answer),
        helps(evidence, evidence.design.identity),
    )
    return {answer.question: answer for answer in answers}


def _word(answers: dict[Question, Answer]) -> Call:
    """Return the gravest word that the answers support."""
    good = {question: answers[question].good for question in REQUIRED}
    if good[Question.MANUFACTURES] is False:
        return Call.LEAKS
    something_to_lose = good[Question.SIGNAL] or answers[Question.SIGNAL].code == "position"
    if something_to_lose and any(good[question] is False for question in BIOLOGY):
        return Call.OVER
    if good[Question.BATCH] is False:
        return Call.UNDER
    if good[Question.SIGNAL] is False:
        return Call.NO_SIGNAL
    return Call.SOUND if all(good.values()) else Call.INCONCLUSIVE


def _few_batches(design: ScreenDesign) -> str:
    """Return a note on what the answers hold for if batches are few."""
    if design.n_batches >= FEWEST_BATCHES:
        return ""
    return (
        f"With {design.n_batches} batches the plate is the unit of resampling: the answers hold for these batches and "
        "cannot tell about a new one."
    )
