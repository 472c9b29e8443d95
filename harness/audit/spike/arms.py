"""One direction in many wells: how far they stand from the others, relative to what the yardstick makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from harness.audit.base import AuditContext
from harness.audit.confounding import cramers_v
from harness.audit.spike.design import COMMON, SPARSE, UNSPIKED, Design, by_batch, everywhere, half_of_plates
from harness.audit.spike.draws import Draws, draws_at
from harness.audit.spike.measurement import spike_in_experiment
from harness.audit.spike.size import Sizes, sizes
from harness.audit.spike.sparse import clear_readings, plate_halves, relative, spike_levels
from harness.audit.spike.turning import Bounded
from harness.core.arrays import Doubles
from harness.core.seeding import derive

POSITION_BOUND = 0.2
LOST = 0.5
MOST_SPECIAL = (0.7, 1.4)
KINDS = ("contrast", "retention", "spillover")


@dataclass(frozen=True)
class Arm:
    """d' of an arm over the yardstick's contrast, (1 + R, n_directions) each: of the first row no plate is resampled.

    ``n_wells`` : spiked. ``prevalence`` : mean share of treated wells that are spiked. ``draws`` : of plates.
    """

    contrast: Doubles
    retention: Doubles
    spillover: Doubles
    n_wells: int
    prevalence: float
    draws: Draws

    def bounded(self, kind: str) -> Bounded:
        """Return the mean over directions and its interval over directions and plates."""
        values = self.draws.mean(getattr(self, kind))
        return float(values[0]), *self.draws.interval(values)


def measure(context: AuditContext, design: Design, numbers: Sequence[int], rare: Arm) -> Arm:
    """Spike the wells of a design with some of the run's directions, one after the other: a pass for each.

    What is special about these few directions is taken off: by how much their contrast as ``rare`` effects differs from
    the mean of all directions (a ratio estimator).
    """
    n = rare.contrast.shape[1]
    place = spike_in_experiment(context)
    wells = place.base.wells
    level = np.array([design.prevalence[str(plate)] for plate in wells["plate"].unique()])
    halves = plate_halves(context, level)
    draws = draws_at(wells, level, halves, context.n_resamples, context.seed)
    own, yardstick, n_wells = [], [], 0
    for number in numbers:
        effect = spike_levels(context, n).clear[[number]]
        spiked = design.pick(wells, derive(context.seed, "spiked", number))
        code = np.where(spiked, 0, UNSPIKED).astype(np.intp)
        own.append(sizes(place.moved(place.normalized(code, effect), code, 1), halves, draws.plates))
        moves = place.moved_by_yardstick(place.by_yardstick(code, effect), code, 1)
        yardstick.append(sizes(moves, halves, draws.plates).contrast)
        n_wells += int(spiked.sum())
    arm = _arm(own, np.hstack(yardstick), n_wells, design.mean_prevalence, draws)
    factor = _typical(rare.contrast[0])[list(numbers)]
    parts = {name: getattr(arm, name) * factor for name in KINDS}
    return replace(arm, **parts)


def sparse_arm(context: AuditContext, n: int, n_passes: int) -> Arm:
    """Return the arm with many directions in few wells each, as strong as in the other arms."""
    readings = clear_readings(context, n, n_passes)
    own, yardstick = readings.sizes
    share = readings.n_wells / n_passes / float(spike_in_experiment(context).treated.sum())
    return _arm([own], yardstick.contrast, readings.n_wells, share, readings.draws)


def _typical(contrast: Doubles) -> Doubles:
    """Return mean contrast over directions by that of each, (n,), within bounds; 1 if rare effects are lost."""
    mean = float(np.nanmean(contrast)) if np.isfinite(contrast).any() else 0.0
    if mean < LOST:
        return np.ones(len(contrast))
    with np.errstate(divide="ignore"):
        return np.asarray(np.clip(mean / np.nan_to_num(contrast, nan=mean), *MOST_SPECIAL))


def _arm(own: Sequence[Sizes], yardstick: Doubles, n_wells: int, prevalence: float, draws: Draws) -> Arm:
    parts = {name: relative(np.hstack([getattr(s, name) for s in own]), yardstick) for name in KINDS}
    return Arm(**parts, n_wells=n_wells, prevalence=prevalence, draws=draws)


def is_tied(context: AuditContext, above: float) -> bool:
    """Return whether compounds stand at the same positions on all plates: bias-corrected Cramer's V, remembered."""

    def make() -> float:
        wells = spike_in_experiment(context).base.wells
        treated = wells[wells["role"] == "treated"]
        if "compound" not in treated:
            return 0.0
        named = treated[treated["compound"].notna() & (treated["compound"] != "")]
        return cramers_v(named["compound"], named["well"])[1] if len(named) else 0.0

    return context.profiles.cached("compound x position", make) > above


def others_of(wells: pd.DataFrame, seed: int) -> list[Design]:
    """Return designs that a screen may not have: what would happen."""
    return [
        Design("common", half_of_plates(wells, COMMON, 0.0, seed)),
        Design("batch_bound", by_batch(wells, SPARSE, COMMON, seed)),
        Design("position_bound", everywhere(wells, POSITION_BOUND), same_positions=True),
    ]


def at_share(context: AuditContext, share: float, *, tied: bool) -> Design:
    """Return the design in which a share of wells is active on half of the plates; if tied, on all, same positions."""
    wells, seed = spike_in_experiment(context).base.wells, derive(context.seed, "spikes")
    if tied:
        return Design("tied", everywhere(wells, share), same_positions=True)
    return Design("common", half_of_plates(wells, share, 0.0, seed))
