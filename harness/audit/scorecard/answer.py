"""The questions of the scorecard and the form of their answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from harness.core.finding import Finding

NAN = float("nan")


class Reply(StrEnum):
    """The possible replies to a question."""

    YES = "yes"
    NO = "no"
    OPEN = "cannot tell"


class Question(StrEnum):
    """The questions, in the order of the scorecard."""

    MANUFACTURES = "manufactures_signal"
    POSITION = "position"
    BATCH = "batch_gone"
    COST = "batch_cost"
    IDENTITY = "identity_kept"
    EFFECTS = "effects_kept"
    COMMON = "common_effects_kept"
    SIGNAL = "signal"
    HELPS = "helps"

    @property
    def text(self) -> str:
        """The question as a reader would ask it."""
        return _TEXT[self][0]

    @property
    def short(self) -> str:
        """Two or three words that head a column."""
        return _TEXT[self][1]

    @property
    def good(self) -> Reply:
        """The reply that speaks in favour of the normalization."""
        return _TEXT[self][2]


_TEXT: dict[Question, tuple[str, str, Reply]] = {
    Question.MANUFACTURES: ("Does it manufacture signal?", "no signal made", Reply.NO),
    Question.POSITION: ("Could position on the plate explain the scores?", "not position", Reply.NO),
    Question.BATCH: ("Is the batch gone?", "batch gone", Reply.YES),
    Question.COST: ("Does a new batch cost scores?", "no batch cost", Reply.NO),
    Question.IDENTITY: ("Are replicates of a compound found as before?", "identity kept", Reply.YES),
    Question.EFFECTS: ("Are effects of many kinds kept?", "effects kept", Reply.YES),
    Question.COMMON: ("Are effects kept however common they are here?", "common effects kept", Reply.YES),
    Question.SIGNAL: ("Is there anything to keep?", "signal present", Reply.YES),
    Question.HELPS: ("Does it help?", "helps", Reply.YES),
}


@dataclass(frozen=True)
class Answer:
    """The answer to one question.

    Attributes
    ----------
    value, lower, upper : the number that decided it and its 95% interval; NaN if there is none.
    limit : the value that the interval was compared with.
    key : of the finding that the number comes from.
    code : one word for the reason, e.g. ``few_partitions``; empty if the number needs none.
    evidence : all findings that were read.
    """

    question: Question
    reply: Reply
    value: float = NAN
    lower: float = NAN
    upper: float = NAN
    limit: float = NAN
    key: str = ""
    code: str = ""
    n: int = 0
    evidence: tuple[Finding, ...] = field(default=(), repr=False)

    @property
    def good(self) -> bool | None:
        """Whether the answer speaks for the normalization (True), against it (False), or neither (None)."""
        if self.reply is Reply.OPEN:
            return None
        return self.reply is self.question.good


def answer(
    question: Question,
    reply: Reply,
    finding: Finding | None = None,
    *,
    limit: float = NAN,
    code: str = "",
    evidence: tuple[Finding, ...] = (),
) -> Answer:
    """Return an :class:`Answer` that shows the numbers of ``finding``."""
    if finding is None:
        return Answer(question, reply, code=code, evidence=evidence)
    return Answer(
        question,
        reply,
        finding.value,
        finding.lower,
        finding.upper,
        limit,
        finding.key,
        code or (finding.code if reply is Reply.OPEN else ""),
        finding.n,
        evidence or (finding,),
    )
