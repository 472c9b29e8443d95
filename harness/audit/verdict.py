"""One word for a run: the summary of its scorecard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from harness.audit.scorecard.answer import Answer, Question
from harness.audit.scorecard.batch import batch_cost, batch_gone
from harness.audit.scorecard.biology import common_effects_kept, effects_kept, identity_kept
from harness.audit.scorecard.decision import BIOLOGY, SHOWN, Call, Decision
from harness.audit.scorecard.evidence import Design, Evidence
from harness.audit.scorecard.manufactures import manufactures_signal
from harness.audit.scorecard.margins import Margins
from harness.audit.scorecard.position import position
from harness.audit.scorecard.signal import helps, signal
from harness.core.finding import Finding
from harness.scoring.bootstrap import FEWEST_BATCHES
from harness.settings.annotated_types import Share
from harness.settings.limits import Within


class Verdict:
    """Summarize the scorecard in a word, the gravest answer first.

    1. ``leaks``: it manufactures signal.
    2. ``over-normalizes``: there is something to keep (or scores show something, and only position may explain it), and
       identity, effects, or effects as common as here are lost.
    3. ``under-normalizes``: the batch is not gone.
    4. ``no signal``: there is nothing to keep, by equivalence.
    5. ``sound``: no signal is manufactured, the batch is gone, there is something to keep, and it is kept: all shown.
    6. ``inconclusive``: otherwise; the action names what would settle it.

    Every claim needs an interval that excludes its opposite by a margin, at 95% one-sided. Margins were set
    before their error rates were measured (experiments/verdict_calibration).

    Parameters
    ----------
    leak : 0.05 of AUROC above 0.5, beyond a coin's reach, is manufactured. ``no_leak`` : 0.1, surely below which
        nothing is.
    batch : 0.15 of the way from a probe's null to perfect: with 5 batches, 0.32 in place of 0.20.
    identity : 0.2 of the mean average precision above chance that the yardstick retrieves.
    effects : 0.2 of the size of known effects; 0.29 is what dropping half of independent features, or noise of one
        control sd, costs. ``worst_effect`` : 0.5 of the size of the worst one. ``apart`` : 0.1 in AUROC or accuracy of
        telling them apart.
    contrast : 0.12 of the contrast. Power grows with its square: what is lost costs 29% more replicates.
    signal : 0.02 of AUROC above 0.5. ``no_signal`` : 0.05, and ``retrieval`` : 0.02 of mean average precision above
        chance, surely below which there is none.
    cost : 0.05 of AUROC that a new batch may cost.
    """

    def __init__(
        self,
        *,
        leak: Share = 0.05,
        no_leak: Share = 0.1,
        batch: Share = 0.15,
        identity: Share = 0.2,
        effects: Share = 0.2,
        worst_effect: Annotated[float, Within(0, 1)] = 0.5,
        apart: Share = 0.1,
        contrast: Share = 0.12,
        signal: Share = 0.02,
        no_signal: Share = 0.05,
        retrieval: Share = 0.02,
        cost: Share = 0.05,
    ) -> None:
        self.leak = leak
        self.no_leak = no_leak
        self.batch = batch
        self.identity = identity
        self.effects = effects
        self.worst_effect = worst_effect
        self.apart = apart
        self.contrast = contrast
        self.signal = signal
        self.no_signal = no_signal
        self.retrieval = retrieval
        self.cost = cost

    def decide(self, findings: Sequence[Finding], design: Design, *, note: str = "") -> Decision:
        """Return the decision of one run. Checks that were switched off or do not apply leave their question open."""
        answers = scorecard(Evidence(findings, design), Margins(**vars(self)))
        notes = [_few_batches(design), note]
        return Decision(_word(answers), tuple(answers.values()), design, " ".join(n for n in notes if n))


def scorecard(evidence: Evidence, margins: Margins) -> dict[Question, Answer]:
    """Return the answer to every question, in their order."""
    where = position(evidence, margins)
    answers = (
        manufactures_signal(evidence, margins),
        where,
        batch_gone(evidence, margins),
        batch_cost(evidence, margins),
        identity_kept(evidence, margins),
        effects_kept(evidence, margins),
        common_effects_kept(evidence, margins),
        signal(evidence, margins, where),
        helps(evidence, evidence.design.identity),
    )
    return {answer.question: answer for answer in answers}


def _word(answers: dict[Question, Answer]) -> Call:
    good = {question: answers[question].good for question in SHOWN}
    if good[Question.MANUFACTURES] is False:
        return Call.LEAKS
    to_lose = good[Question.SIGNAL] or answers[Question.SIGNAL].code == "position"
    if to_lose and any(good[question] is False for question in BIOLOGY):
        return Call.OVER
    if good[Question.BATCH] is False:
        return Call.UNDER
    if good[Question.SIGNAL] is False:
        return Call.NO_SIGNAL
    return Call.SOUND if all(good.values()) else Call.INCONCLUSIVE


def _few_batches(design: Design) -> str:
    if design.n_batches >= FEWEST_BATCHES:
        return ""
    return (
        f"With {design.n_batches} batches the plate is the unit, and the answers hold for these batches; "
        "a new batch: cannot tell."
    )
