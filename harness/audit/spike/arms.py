"""One direction in many wells: how far they stand from the others, relative to what the yardstick makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from harness.audit.base import AuditContext
from harness.audit.components import once
from harness.audit.confounding import cramers_v
from harness.audit.spike.bench import bench
from harness.audit.spike.design import COMMON, SPARSE, UNSPIKED, Design, by_batch, everywhere, half_of_plates
from harness.audit.spike.draws import Draws
from harness.audit.spike.size import Sizes, sizes
from harness.audit.spike.sparse import limit_readings, plate_halves, relative, spike_levels
from harness.seeding import derive
from harness.types import Doubles

POSITION_BOUND = 0.2
KINDS = ("contrast", "retention", "spillover")


@dataclass(frozen=True)
class Arm:
    """d' of an arm over the yardstick's contrast, (1 + R, n_directions) each: of the first row no plate is resampled.

    ``n_wells`` : spiked. ``prevalence`` : mean share of treated wells that are spiked.
    """

    contrast: Doubles
    retention: Doubles
    spillover: Doubles
    n_wells: int
    prevalence: float


def measure(context: AuditContext, design: Design, numbers: Sequence[int], n: int, draws: Draws) -> Arm:
    """Spike the wells of a design with some of the run's ``n`` directions, one after the other: a pass for each."""
    passes = [_measured(context, design, number, n, draws) for number in numbers]
    own, yardstick, counts = zip(*passes, strict=True)
    return _arm(own, np.hstack([s.contrast for s in yardstick]), sum(counts), design.mean_prevalence)


def _measured(context: AuditContext, design: Design, number: int, n: int, draws: Draws) -> tuple[Sizes, Sizes, int]:
    """Sizes by the run's method and by the yardstick, and the number of spiked wells."""
    place = bench(context)
    wells = place.base.wells
    effect = spike_levels(context, n).clear[[number]]
    spiked = design.pick(wells, derive(context.seed, "spiked", number))
    code = np.where(spiked, 0, UNSPIKED).astype(np.intp)
    level = np.array([design.prevalence[str(plate)] for plate in wells["plate"].unique()])
    halves = plate_halves(context, level)
    own = sizes(place.moved(place.normalized(code, effect), code, 1), halves, draws.plates)
    yardstick = sizes(place.moved_by_yardstick(place.by_yardstick(code, effect), code, 1), halves, draws.plates)
    return own, yardstick, int(spiked.sum())


def sparse_arm(context: AuditContext, n: int, n_passes: int, draws: Draws) -> Arm:
    """Return the arm with many directions in few wells each: the passes of the check of small effects, remembered."""
    readings = limit_readings(context, n, n_passes)
    own, yardstick = ([sizes(pair[i], readings.halves, draws.plates) for pair in readings.moves] for i in range(2))
    share = readings.n_wells / n_passes / float(bench(context).treated.sum())
    together = Sizes(*(np.mean([getattr(s, name) for s in own], axis=0) for name in KINDS))
    return _arm([together], np.mean([s.contrast for s in yardstick], axis=0), readings.n_wells, share)


def _arm(own: Sequence[Sizes], yardstick: Doubles, n_wells: int, prevalence: float) -> Arm:
    parts = {name: relative(np.hstack([getattr(s, name) for s in own]), yardstick) for name in KINDS}
    return Arm(**parts, n_wells=n_wells, prevalence=prevalence)


def is_tied(context: AuditContext, above: float) -> bool:
    """Return whether compounds stand at the same positions on all plates: bias-corrected Cramer's V, remembered."""

    def make() -> float:
        wells = bench(context).base.wells
        treated = wells[wells["role"] == "treated"]
        if "compound" not in treated:
            return 0.0
        named = treated[treated["compound"].notna() & (treated["compound"] != "")]
        return cramers_v(named["compound"], named["well"])[1] if len(named) else 0.0

    return once(context.profiles, "compound x position", make) > above


def others_of(wells: pd.DataFrame, seed: int) -> list[Design]:
    """Return designs that a screen may not have: what would happen."""
    return [
        Design("common", half_of_plates(wells, COMMON, 0.0, seed)),
        Design("batch_bound", by_batch(wells, SPARSE, COMMON, seed)),
        Design("position_bound", everywhere(wells, POSITION_BOUND), same_positions=True),
    ]


def at_share(context: AuditContext, share: float, *, tied: bool) -> Design:
    """Return the design in which a share of wells is active on half of the plates; if tied, on all, same positions."""
    wells, seed = bench(context).base.wells, derive(context.seed, "spikes")
    if tied:
        return Design("tied", everywhere(wells, share), same_positions=True)
    return Design("common", half_of_plates(wells, share, 0.0, seed))
