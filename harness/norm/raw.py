"""No normalization: the member that changes nothing, and the example to copy."""

from __future__ import annotations

from harness.core.arrays import Floats
from harness.core.profiles import Plate
from harness.core.scope import FitScope
from harness.norm.base import Normalizer


class Raw(Normalizer):
    """Profiles without any change (scope: train; nothing is fitted).

    Models standardize features on training rows, so that raw profiles compete on equal terms. Keeps every batch
    effect and every phenotype.
    """

    scope = FitScope.TRAIN
    is_identity = True

    def transform(self, plate: Plate) -> Floats:
        return plate.X
