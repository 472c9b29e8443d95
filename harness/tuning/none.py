"""No tuning: models with their configured parameters."""

from __future__ import annotations

from harness.tuning.base import Tuner, TuningRequest, TuningResult


class NoTuning(Tuner):
    """A tuner that returns the model unchanged: the example to copy."""

    active = False

    def tune(self, request: TuningRequest) -> TuningResult:
        return TuningResult(model=request.model)
