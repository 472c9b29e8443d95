"""Positive control of the evaluation: the best that any normalization could do, on simulated screens."""

from __future__ import annotations

from typing import ClassVar

from harness.core.arrays import Floats
from harness.core.exceptions import InputError
from harness.core.profiles import Plate
from harness.core.scope import FitScope
from harness.norm.base import Normalizer


class Oracle(Normalizer):
    """Returns the planted, batch-free profiles of a simulated screen (scope: train; nothing is fitted).

    Raises
    ------
    InputError : the data hold no planted truth.
    """

    scope = FitScope.TRAIN
    needs_planted: ClassVar[bool] = True
    needs = ("planted >= 1",)

    def transform(self, plate: Plate) -> Floats:
        if plate.planted is None:
            raise InputError("oracle: the data hold no planted truth; only simulated screens do (data=demo)")
        return plate.planted
