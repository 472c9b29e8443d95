"""The decision on a run: the word, the answers behind it, and the tables and text that show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

import pandas as pd

from harness.audit.scorecard.answer import Answer, Question, Reply
from harness.audit.scorecard.evidence import ScreenDesign
from harness.audit.scorecard.page import verdict_page
from harness.audit.scorecard.texts import ACTIONS, reason, sentence

BIOLOGY = (Question.IDENTITY, Question.EFFECTS, Question.COMMON)
REQUIRED = (Question.MANUFACTURES, Question.BATCH, Question.SIGNAL, *BIOLOGY)  # a sound method has shown all of these
COLUMNS = (
    "question",
    "text",
    "answer",
    "good",
    "value",
    "lower",
    "upper",
    "limit",
    "key",
    "n_batches",
    "n_plates",
    "n_wells",
    "code",
    "sentence",
)


class Call(StrEnum):
    """The words of a verdict."""

    LEAKS = "leaks"
    NO_SIGNAL = "no signal"
    OVER = "over-normalizes"
    UNDER = "under-normalizes"
    SOUND = "sound"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class Decision:
    """The word, the answers that it summarizes, and what they rest on.

    Attributes
    ----------
    note : what the answers hold for, e.g. few batches or a sample of plates; may be empty.
    """

    call: Call
    answers: Sequence[Answer]
    design: ScreenDesign
    note: str = ""

    @property
    def word(self) -> str:
        """The verdict in a word, e.g. ``sound``."""
        return self.call.value

    @property
    def deciding(self) -> list[Answer]:
        """The answers that decided the word."""
        by_question = {answer.question: answer for answer in self.answers}
        return [by_question[question] for question in _deciding_questions(self.call, by_question)]

    @property
    def headline(self) -> str:
        """The word, one sentence and one action."""
        return f"{self.call.value}: {self._sentence} {self.action}"

    @property
    def _sentence(self) -> str:
        """The sentence of the headline."""
        match self.call:
            case Call.SOUND:
                return "The batch is gone, added effects and replicates are kept, and no signal is manufactured."
            case Call.INCONCLUSIVE:
                return f"Not shown: {', '.join(answer.question.short for answer in self.deciding)}."
            case _:
                return sentence(self.deciding[0])

    @property
    def action(self) -> str:
        """The recommended action."""
        first = self.deciding[0]
        why = reason(first.code) if first.reply is Reply.OPEN else "see the scorecard"
        return ACTIONS[self.call.value].format(settle=f"{first.question.text} {why[0].upper()}{why[1:]}.")

    def scorecard(self) -> pd.DataFrame:
        """Return one row per question, columns :data:`COLUMNS`; ``good`` is yes, no, or empty if neither."""
        rows = [
            {
                "question": a.question.value,
                "text": a.question.text,
                "answer": a.reply.value,
                "good": {True: "yes", False: "no", None: ""}[a.good],
                "value": a.value,
                "lower": a.lower,
                "upper": a.upper,
                "limit": a.limit,
                "key": a.key,
                "n_batches": self.design.n_batches,
                "n_plates": self.design.n_plates,
                "n_wells": a.n or self.design.n_wells,
                "code": a.code,
                "sentence": sentence(a),
            }
            for a in self.answers
        ]
        return pd.DataFrame(rows, columns=list(COLUMNS))

    def table(self) -> pd.DataFrame:
        """Return the evidence: ``question, answer, key, value, lower, upper, n, code, decided``."""
        deciding = {answer.question for answer in self.deciding}
        rows = [
            {"question": a.question.value, "answer": a.reply.value, **asdict(f), "decided": a.question in deciding}
            for a in self.answers
            for f in a.evidence
        ]
        columns = ["question", "answer", "key", "value", "lower", "upper", "n", "code", "decided"]
        return pd.DataFrame(rows, columns=columns)

    def page(self) -> str:
        """Return ``verdict.txt``: headline, scorecard, evidence; lines of at most 100 characters."""
        return verdict_page(self.headline, self.answers, self.design, self.note)


def _deciding_questions(call: Call, answers: Mapping[Question, Answer]) -> list[Question]:
    """Return the questions whose answers decide a word."""
    match call:
        case Call.LEAKS:
            return [Question.MANUFACTURES]
        case Call.OVER:
            return [question for question in BIOLOGY if answers[question].good is False]
        case Call.UNDER:
            return [Question.BATCH]
        case Call.NO_SIGNAL:
            return [Question.SIGNAL]
        case Call.SOUND:
            return list(REQUIRED)
        case _:
            return [question for question in REQUIRED if not answers[question].good]
