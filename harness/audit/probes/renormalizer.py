"""Normalization of the screen in permuted batches, skipped if it cannot depend on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from harness.audit.base import AuditContext
from harness.audit.probes.partitions import Codes
from harness.audit.probes.wells import Screens
from harness.core.scope import FitScope
from harness.norm.base import Normalizer, check_scope

RELATIVE = 1e-5  # of the largest value of a feature: float32 sums in another order may differ by that

NormalizeInBatches = Callable[[AuditContext, Mapping[str, str] | None], Screens]


def may_read_batches(normalizer: Normalizer | None) -> bool:
    """Return whether other batches could change the result: they cannot if everything is fitted on single plates."""
    if normalizer is None:
        return True
    return any(
        check_scope(stage.scope) is not FitScope.PLATE
        and (type(stage).fit is not Normalizer.fit or type(stage).adapt is not Normalizer.adapt)
        for stage in normalizer.stages()
    )


class Renormalizer:
    """Normalize the screen in other batches, until that turns out to change nothing."""

    def __init__(self, context: AuditContext, normalize: NormalizeInBatches, plates: list[str], batch: Codes) -> None:
        self.context, self.normalize, self.plates = context, normalize, plates
        self.screens = normalize(context, None)
        table = self.screens[0].wells
        batch_of = table.drop_duplicates("plate").set_index("plate")["batch"].astype(str)
        self.names = [str(batch_of[plates[int(np.argmax(batch == b))]]) for b in range(int(batch.max()) + 1)]
        self.changes = may_read_batches(context.normalizer)

    def __call__(self, partition: Codes) -> Screens | None:
        """Return the screens normalized with the plates in other batches; None if they do not change."""
        if not self.changes:
            return None
        batch_of = {plate: self.names[b] for plate, b in zip(self.plates, partition, strict=True)}
        screens = self.normalize(self.context, batch_of)
        self.changes = not all(_equal(a.X, b.X) for a, b in zip(self.screens, screens, strict=True))
        return screens if self.changes else None


def _equal(a: np.ndarray, b: np.ndarray) -> bool:
    """Return whether profiles are equal but for rounding."""
    tolerance = RELATIVE * np.abs(a).max(axis=0, initial=0.0)
    return bool((np.abs(a - b) <= tolerance).all())
