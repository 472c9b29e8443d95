"""Models as they are configured."""

from __future__ import annotations

from harness.tuning.base import Tuner, TuningRequest, TuningResult


class NoTuning(Tuner):
    """The do-nothing member: the example to copy."""

    active = False

    def tune(self, request: TuningRequest) -> TuningResult:
        return TuningResult(model=request.model)
