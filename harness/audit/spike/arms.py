"""Arms of the spike-in: an effect in the wells of a design, and its contrast relative to the yardstick's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from harness.audit.base import AuditContext
from harness.audit.confounding import cramers_v
from harness.audit.spike.design import (
    COMMON,
    SPARSE,
    UNSPIKED,
    SpikeDesign,
    by_batch,
    half_of_plates,
    same_on_all_plates,
)
from harness.audit.spike.effect_size import EffectSizes, effect_sizes
from harness.audit.spike.measurement import spike_in_experiment
from harness.audit.spike.plate_resamples import PlateResamples, resample_alike_plates
from harness.audit.spike.readings import clear_readings, plate_halves, ratio_to_yardstick, strengths_of_run
from harness.audit.spike.turning_point import ValueAndBounds
from harness.core.arrays import Doubles
from harness.core.seeding import derive

POSITION_BOUND = 0.2
LOST = 0.5
MOST_SPECIAL = (0.7, 1.4)
KINDS = ("contrast", "retention", "spillover")


@dataclass(frozen=True)
class Arm:
    """Measured contrast of an arm, as d' over the yardstick's, (1 + R, n_directions) each.

    In the first row no plate is resampled.

    Attributes
    ----------
    contrast, retention, spillover : see :class:`harness.audit.spike_in.SpikeIn`.
    n_wells : spiked. prevalence : mean share of treated wells that are spiked. resamples : of plates.
    """

    contrast: Doubles
    retention: Doubles
    spillover: Doubles
    n_wells: int
    prevalence: float
    resamples: PlateResamples

    def bounded(self, kind: str) -> ValueAndBounds:
        """Return the mean over directions and its interval over directions and plates."""
        values = self.resamples.mean(getattr(self, kind))
        return float(values[0]), *self.resamples.interval(values)


def measure_arm(context: AuditContext, design: SpikeDesign, numbers: Sequence[int], rare: Arm) -> Arm:
    """Spike the wells of a design with some of the run's directions, one after the other, a normalization for each.

    The measured contrast is corrected for what is special about these few directions: how much their contrast as
    ``rare`` effects differs from the mean of all directions (a ratio estimator).
    """
    n = rare.contrast.shape[1]
    experiment = spike_in_experiment(context)
    wells = experiment.base.wells
    level = np.array([design.prevalence[str(plate)] for plate in wells["plate"].unique()])
    halves = plate_halves(context, level)
    resamples = resample_alike_plates(wells, level, halves, context.n_resamples, context.seed)
    by_run, yardstick, n_wells = [], [], 0
    for number in numbers:
        effect = strengths_of_run(context, n).clear[[number]]
        spiked = design.pick(wells, derive(context.seed, "spiked", number))
        code = np.where(spiked, 0, UNSPIKED).astype(np.intp)
        by_run.append(
            effect_sizes(
                experiment.displacement_by_plate(experiment.normalized(code, effect), code, 1), halves, resamples.plates
            )
        )
        moves = experiment.yardstick_displacement_by_plate(experiment.by_yardstick(code, effect), code, 1)
        yardstick.append(effect_sizes(moves, halves, resamples.plates).contrast)
        n_wells += int(spiked.sum())
    arm = _combine(by_run, np.hstack(yardstick), n_wells, design.mean_prevalence, resamples)
    factor = _typical(rare.contrast[0])[list(numbers)]
    parts = {name: getattr(arm, name) * factor for name in KINDS}
    return replace(arm, **parts)


def sparse_arm(context: AuditContext, n: int, n_passes: int) -> Arm:
    """Return the arm with many directions in few wells each, as strong as in the other arms."""
    readings = clear_readings(context, n, n_passes)
    by_run, yardstick = readings.sizes
    share = readings.n_wells / n_passes / float(spike_in_experiment(context).treated.sum())
    return _combine([by_run], yardstick.contrast, readings.n_wells, share, readings.resamples)


def _typical(contrast: Doubles) -> Doubles:
    """Return the mean contrast over directions divided by that of each, (n,), within bounds; 1 if effects are lost."""
    mean = float(np.nanmean(contrast)) if np.isfinite(contrast).any() else 0.0
    if mean < LOST:
        return np.ones(len(contrast))
    with np.errstate(divide="ignore"):
        return np.asarray(np.clip(mean / np.nan_to_num(contrast, nan=mean), *MOST_SPECIAL))


def _combine(
    by_run: Sequence[EffectSizes], yardstick: Doubles, n_wells: int, prevalence: float, resamples: PlateResamples
) -> Arm:
    """Return an arm from the sizes of each direction, relative to the yardstick's contrast."""
    parts = {name: ratio_to_yardstick(np.hstack([getattr(s, name) for s in by_run]), yardstick) for name in KINDS}
    return Arm(**parts, n_wells=n_wells, prevalence=prevalence, resamples=resamples)


def is_tied(context: AuditContext, above: float) -> bool:
    """Return whether compounds are tied to positions: bias-corrected Cramer's V, computed once, exceeds ``above``."""

    def make() -> float:
        wells = spike_in_experiment(context).base.wells
        treated = wells[wells["role"] == "treated"]
        if "compound" not in treated:
            return 0.0
        named = treated[treated["compound"].notna() & (treated["compound"] != "")]
        return cramers_v(named["compound"], named["well"])[1] if len(named) else 0.0

    return context.profiles.cached("compound x position", make) > above


def other_designs(wells: pd.DataFrame, seed: int) -> list[SpikeDesign]:
    """Return the designs of the arms that do not depend on the screen's own prevalence."""
    return [
        SpikeDesign("common", half_of_plates(wells, COMMON, 0.0, seed)),
        SpikeDesign("batch_bound", by_batch(wells, SPARSE, COMMON, seed)),
        SpikeDesign("position_bound", same_on_all_plates(wells, POSITION_BOUND), same_positions=True),
    ]


def design_at_share(context: AuditContext, share: float, *, tied: bool) -> SpikeDesign:
    """Return the design with a share of active wells on half of the plates; if tied, at the same positions on all."""
    wells, seed = spike_in_experiment(context).base.wells, derive(context.seed, "spikes")
    if tied:
        return SpikeDesign("tied", same_on_all_plates(wells, share), same_positions=True)
    return SpikeDesign("common", half_of_plates(wells, share, 0.0, seed))
