"""Models as they are configured."""

from __future__ import annotations

from harness.tuning.base import Question, Tuned, Tuner


class NoTuning(Tuner):
    """The do-nothing member: the example to copy."""

    active = False

    def tune(self, question: Question) -> Tuned:
        return Tuned(model=question.model)
