"""Readings of sparse spikes: many pseudo-compounds in few wells each, normalized together in one pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from harness.audit.base import AuditContext
from harness.audit.shared.views import cached_per_run
from harness.audit.spike.design import UNSPIKED, deal_plates, deal_wells
from harness.audit.spike.directions import spike_directions
from harness.audit.spike.displacements import DisplacementSums
from harness.audit.spike.effect_size import EffectSizes, effect_sizes, halves_of_plates, mean_effect_sizes
from harness.audit.spike.measurement import spike_in_experiment
from harness.audit.spike.plate_resamples import PlateResamples, resample_plates, resample_within_groups
from harness.audit.spike.reader import SpikeReader, WellScoreSums, fit_reader
from harness.audit.spike.strength_step import code_with_step, step_size, take_step
from harness.audit.spike.strengths import SpikeStrengths, choose_strengths
from harness.core.arrays import Doubles, Floats, Mask
from harness.core.seeding import derive, generator

SHARE = 0.1  # of each plate's treated wells
FEWEST_EACH = 6
MOST_STRONG = 4  # directions of strong effects, so that each is on several plates
NOISY = "some plates have fewer than 8 controls: the yardstick itself is noisy, and a ratio above 1 is no inflation"
KINDS = ("auroc", "told_apart")


@dataclass(frozen=True, eq=False)
class SparseReadings:
    """Measurements on one or more passes with sparse spikes.

    Attributes
    ----------
    displacements : by the run's method and by the yardstick, for each pass.
    halves : (n_plates,) the two halves of the plates. resamples : of plates.
    scores : by kind, of the run's method and of the yardstick, summed over passes.
    n_wells : spiked. reason : what the noise rests on. is_noisy : whether the yardstick itself is noisy, for few
        controls.
    is_raw : whether the yardstick is ``raw``.
    """

    displacements: Sequence[tuple[DisplacementSums, DisplacementSums]]
    halves: Mask
    resamples: PlateResamples
    scores: Mapping[str, tuple[WellScoreSums, ...]]
    n_wells: int
    reason: str = ""
    is_noisy: bool = False
    is_raw: bool = False

    @cached_property
    def sizes(self) -> tuple[EffectSizes, EffectSizes]:
        """d' by the run's method and by the yardstick, by direction under each draw, (1 + R, n_directions) each."""
        by_run, yardstick = (
            mean_effect_sizes(
                [effect_sizes(pair[i], self.halves, self.resamples.plates) for pair in self.displacements]
            )
            for i in range(2)
        )
        return by_run, yardstick


def n_directions(context: AuditContext, most: int) -> int:
    """Return how many directions fit into a tenth of the treated wells with 6 wells each, at most ``most``."""
    spiked = deal_wells(spike_in_experiment(context).base.wells, most, SHARE, context.seed) != UNSPIKED
    return int(np.clip(spiked.sum() // FEWEST_EACH, 1, most))


def directions_of_run(context: AuditContext, n: int) -> list[Doubles]:
    """Return the directions of a run's spikes, made once for all checks of a process."""
    base = spike_in_experiment(context).base
    return cached_per_run(
        context, ("directions", n, context.seed), lambda: spike_directions(base, n, derive(context.seed, "spikes"))
    )


def yardstick_reader(context: AuditContext) -> SpikeReader:
    """Return the reader of the yardstick's wells, fitted once."""
    experiment = spike_in_experiment(context)
    return cached_per_run(
        context,
        "yardstick reader",
        lambda: fit_reader(experiment.yardstick.baseline, experiment.base.wells, experiment.treated, context.seed),
    )


def reader_of(context: AuditContext, X: Floats, code: NDArray[np.intp]) -> SpikeReader:
    """Return a reader of the wells of a pass, fitted on those without a spike."""
    experiment = spike_in_experiment(context)
    return fit_reader(X, experiment.base.wells, experiment.treated, context.seed, spiked=code != UNSPIKED)


def strengths_of_run(context: AuditContext, n: int) -> SpikeStrengths:
    """Return the strengths of a run's spikes, chosen once."""

    def make() -> SpikeStrengths:
        experiment = spike_in_experiment(context)
        n_each = max(0.8 * SHARE * float(experiment.treated.sum()) / n, 2.0)  # in four of five folds
        return choose_strengths(experiment, yardstick_reader(context), directions_of_run(context, n), n_each=n_each)

    return cached_per_run(context, ("levels", n), make)


def plate_halves(context: AuditContext, prevalence: Doubles | None = None) -> Mask:
    """Deal the plates of a run to two halves, alike in batch and prevalence (n_plates,)."""
    experiment = spike_in_experiment(context)
    level = np.zeros(len(experiment.scale)) if prevalence is None else prevalence
    return halves_of_plates(experiment.base.wells, level, generator(context.seed, "halves"))


def resample_plates_of_run(context: AuditContext) -> PlateResamples:
    """Return the resamples of the plates of a run."""
    return resample_plates(spike_in_experiment(context).base.wells, context.n_resamples, context.seed)


def limit_readings(context: AuditContext, n: int, n_passes: int) -> SparseReadings:
    """Spike ``n`` directions at the yardstick's limit of detection, in other wells in each pass; made once."""

    def make() -> SparseReadings:
        effects = strengths_of_run(context, n_directions(context, n)).limit
        return _together([_limit_pass(context, number, effects) for number in range(n_passes)])

    return cached_per_run(context, ("limit readings", n, n_passes), make)


def clear_readings(context: AuditContext, n: int, n_passes: int) -> SparseReadings:
    """Spike ``n`` directions as strongly as the arms do but in few wells, to compare these with; made once."""

    def make() -> SparseReadings:
        effects = strengths_of_run(context, n_directions(context, n)).clear
        return _together([_limit_pass(context, number, effects) for number in range(n_passes)])

    return cached_per_run(context, ("clear readings", n, n_passes), make)


def step_ratio(context: AuditContext, n: int) -> tuple[Doubles, PlateResamples, int]:
    """Return d' of a step on top of strong effects over the yardstick's, (1 + R,), its resamples and number of wells.

    It takes two passes: the same wells with strong effects, one direction on each plate, and with slightly stronger
    ones.
    """
    experiment, strengths = spike_in_experiment(context), strengths_of_run(context, n_directions(context, n))
    n = len(strengths.strong)
    halves = plate_halves(context)
    n = max(1, min(n, MOST_STRONG, min(int(halves.sum()), int((~halves).sum())) // 2))
    code = deal_plates(experiment.base.wells, halves, n, SHARE, derive(context.seed, "strong"))
    direction_of_plate = np.zeros(len(experiment.scale), dtype=np.intp)
    direction_of_plate[experiment.plate[code != UNSPIKED]] = code[code != UNSPIKED]
    groups = [
        np.flatnonzero((halves == half) & (direction_of_plate == k)).tolist()
        for half in (False, True)
        for k in range(n)
    ]
    names = np.asarray(experiment.base.wells["plate"].unique(), dtype=str)
    resamples = resample_within_groups(names, [group for group in groups if group], context.n_resamples, context.seed)
    stepped = code_with_step(experiment.base.wells, code, n, derive(context.seed, "strong"))
    effects = np.vstack([strengths.strong[:n], strengths.stronger[:n]])
    strong, stronger = experiment.normalized(code, effects), experiment.normalized(stepped, effects)
    reader = reader_of(context, stronger, code)
    step = take_step(reader, experiment.align_axes(strong, stronger, code), stronger, code, stepped != code)
    by_run = step_size(reader, step, halves, resamples, n)
    strong, stronger = experiment.by_yardstick(code, effects), experiment.by_yardstick(stepped, effects)
    reader = reader_of(context, stronger, code)
    sizes = by_run, step_size(reader, take_step(reader, strong, stronger, code, stepped != code), halves, resamples, n)
    return ratio_to_yardstick(*sizes), resamples, int((code != UNSPIKED).sum())


def ratio_to_yardstick(by_run: Doubles, yardstick: Doubles) -> Doubles:
    """Return ``by_run`` over ``yardstick``, NaN if the latter is not positive."""
    return np.asarray(np.divide(by_run, yardstick, out=np.full(by_run.shape, np.nan), where=yardstick > 0))


def _limit_pass(context: AuditContext, number: int, effects: Doubles) -> SparseReadings:
    """Spike a tenth of the treated wells, each with one of the effects, normalize all wells and measure."""
    experiment = spike_in_experiment(context)
    n = len(effects)
    code = deal_wells(experiment.base.wells, n, SHARE, derive(context.seed, "limit", number))
    after = experiment.normalized(code, effects)
    by_run = experiment.displacement_by_plate(
        after, code, n, baseline=experiment.align_axes(experiment.baseline, after, code)
    )
    by_own = reader_of(context, after, code).read(after, code, n)
    after = experiment.by_yardstick(code, effects)  # replaces the run's wells: holding both would take twice the memory
    yardstick, by_yardstick = (
        experiment.yardstick_displacement_by_plate(after, code, n),
        reader_of(context, after, code).read(after, code, n),
    )
    scores = {kind: (by_own[i], by_yardstick[i]) for i, kind in enumerate(KINDS)}
    reason = "" if experiment.noise.has_replicates else "no replicates: the effects of compounds count as noise"
    if experiment.yardstick.is_noisy:
        reason = "; ".join(filter(None, [reason, NOISY]))
    return SparseReadings(
        [(by_run, yardstick)],
        plate_halves(context),
        resample_plates_of_run(context),
        scores,
        n_wells=int((code != UNSPIKED).sum()),
        reason=reason,
        is_noisy=experiment.yardstick.is_noisy,
        is_raw=not experiment.yardstick.factors,
    )


def _together(passes: Sequence[SparseReadings]) -> SparseReadings:
    """Combine passes with the same directions: their scores are added."""
    first = passes[0]
    scores = {kind: tuple(_sum([p.scores[kind][i] for p in passes]) for i in range(2)) for kind in first.scores}
    displacements = [pair for readings in passes for pair in readings.displacements]
    n_wells = sum(readings.n_wells for readings in passes)
    return replace(first, displacements=displacements, scores=scores, n_wells=n_wells)


def _sum(parts: Sequence[WellScoreSums]) -> WellScoreSums:
    """Add scores of the same directions."""
    return WellScoreSums(np.sum([p.total for p in parts], axis=0), np.sum([p.count for p in parts], axis=0))
