"""The yardstick of spikes: each plate scaled by its controls, which loses nothing that lies within a plate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.audit.base import AuditContext
from harness.audit.shared.views import raw_wells, yardstick_wells
from harness.core.arrays import Doubles, Floats
from harness.norm.dmso_within import DmsoWithin
from harness.norm.engine.exchangeable import FEW_CONTROLS, control_wells, left_out_control


@dataclass(frozen=True, eq=False)
class Yardstick:
    """``dmso_within``, or ``raw`` if half of the plates have fewer than 8 controls: too few to divide by their sd.

    It is affine on every plate, with factors that depend on control wells only, and these are not spiked: so its result
    on spiked wells follows without normalizing them.

    Attributes
    ----------
    baseline : wells without spikes, (n_wells, n_features). plate : (n_wells,) their plates.
    factors : for each plate the factors of raw differences, (n_references, n_features); empty for ``raw``.
    reference : (n_wells,) the row of ``factors``. is_noisy : whether a plate with fewer than 8 controls is scaled.
    """

    baseline: Floats
    plate: NDArray[np.intp]
    factors: Sequence[Floats]
    reference: NDArray[np.intp]
    is_noisy: bool

    def displacement(self, rows: NDArray[np.intp], difference: Doubles) -> Floats:
        """Return how far wells move if their raw profiles change by ``difference``, (n_rows, n_features)."""
        if not self.factors:
            return difference.astype(np.float32)
        factor = np.stack([self.factors[self.plate[row]][self.reference[row]] for row in rows])
        return np.asarray(difference * factor, dtype=np.float32)


def spike_yardstick(context: AuditContext, plate: NDArray[np.intp]) -> Yardstick:
    """Return the yardstick of a run's wells; ``plate`` (n_wells,) numbers in order of first appearance."""
    raw = raw_wells(context)
    reference = np.zeros(len(raw.wells), dtype=np.intp)
    views = yardstick_wells(context)
    n_controls = [len(control_wells(part)) for part in raw]
    if "dmso_within" not in views or np.median(n_controls) < FEW_CONTROLS:
        return Yardstick(raw.X, plate, (), reference, is_noisy=False)
    factors = []
    for part in raw:
        fitted = DmsoWithin().fit([part])
        factors.append((1 / fitted.sd_).astype(np.float32))
        reference[part.rows] = left_out_control(part, fitted.reference_, fitted.seed)
    return Yardstick(views["dmso_within"].X, plate, factors, reference, is_noisy=min(n_controls) < FEW_CONTROLS)
