"""The sparse spikes: many pseudo-compounds in few wells each, normalized in one pass for all that reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from harness.audit.base import AuditContext
from harness.audit.shared.views import once_per_run
from harness.audit.spike.design import UNSPIKED, deal, deal_plates
from harness.audit.spike.detection import PerWell, Reader, reader
from harness.audit.spike.directions import directions
from harness.audit.spike.draws import Draws, draws_of, draws_within
from harness.audit.spike.levels import Levels, levels
from harness.audit.spike.measurement import spike_in_experiment
from harness.audit.spike.size import Sizes, halves_of_plates, mean_sizes, sizes
from harness.audit.spike.step import step, step_size, stepping
from harness.audit.spike.sums import Moved
from harness.core.arrays import Doubles, Floats, Mask
from harness.core.seeding import derive, generator

SHARE = 0.1  # of each plate's treated wells
FEWEST_EACH = 6
MOST_STRONG = 4  # directions of strong effects, so that each is on several plates
NOISY = "some plates have fewer than 8 controls: the yardstick is noisy itself, more than 1 is no inflation"
KINDS = ("auroc", "told_apart")


@dataclass(frozen=True, eq=False)
class Readings:
    """What was measured on one or more passes with sparse spikes.

    Attributes
    ----------
    moves : by the run's method and by the yardstick, for each pass. halves : of the plates. draws : of plates.
    scores : by kind, of the run's method and of the yardstick, summed over passes.
    n_wells : spiked. reason : what the noise rests on. is_raw : the yardstick is ``raw``.
    """

    moves: Sequence[tuple[Moved, Moved]]
    halves: Mask
    draws: Draws
    scores: Mapping[str, tuple[PerWell, ...]]
    n_wells: int
    reason: str = ""
    is_raw: bool = False

    @cached_property
    def sizes(self) -> tuple[Sizes, Sizes]:
        """d' by the run's method and by the yardstick, by direction under each draw, (1 + R, n_directions) each."""
        own, yardstick = (
            mean_sizes([sizes(pair[i], self.halves, self.draws.plates) for pair in self.moves]) for i in range(2)
        )
        return own, yardstick


def n_directions(context: AuditContext, most: int) -> int:
    """Return how many directions a tenth of the treated wells can hold, with 6 wells each, at most ``most``."""
    spiked = deal(spike_in_experiment(context).base.wells, most, SHARE, context.seed) != UNSPIKED
    return int(np.clip(spiked.sum() // FEWEST_EACH, 1, most))


def spike_directions(context: AuditContext, n: int) -> list[Doubles]:
    """Return the directions of a run, remembered for all checks of a process."""
    base = spike_in_experiment(context).base
    return once_per_run(
        context, ("directions", n, context.seed), lambda: directions(base, n, derive(context.seed, "spikes"))
    )


def yardstick_reader(context: AuditContext) -> Reader:
    """Return the reader of the yardstick's wells, remembered."""
    place = spike_in_experiment(context)
    return once_per_run(
        context,
        "yardstick reader",
        lambda: reader(place.yardstick.plain, place.base.wells, place.treated, context.seed),
    )


def reader_of(context: AuditContext, X: Floats, code: NDArray[np.intp]) -> Reader:
    """Return a reader of the wells of a pass, fitted on those without a spike."""
    place = spike_in_experiment(context)
    return reader(X, place.base.wells, place.treated, context.seed, spiked=code != UNSPIKED)


def spike_levels(context: AuditContext, n: int) -> Levels:
    """Return the strengths of a run's spikes, remembered."""

    def make() -> Levels:
        place = spike_in_experiment(context)
        n_each = max(0.8 * SHARE * float(place.treated.sum()) / n, 2.0)  # in four of five folds
        return levels(place, yardstick_reader(context), spike_directions(context, n), n_each=n_each)

    return once_per_run(context, ("levels", n), make)


def plate_halves(context: AuditContext, prevalence: Doubles | None = None) -> Mask:
    """Deal the plates of a run to two halves, alike in batch and prevalence (n_plates,)."""
    place = spike_in_experiment(context)
    level = np.zeros(len(place.scale)) if prevalence is None else prevalence
    return halves_of_plates(place.base.wells, level, generator(context.seed, "halves"))


def plate_draws(context: AuditContext) -> Draws:
    """Return the resamples of the plates of a run."""
    return draws_of(spike_in_experiment(context).base.wells, context.n_resamples, context.seed)


def limit_readings(context: AuditContext, n: int, n_passes: int) -> Readings:
    """Spike ``n`` directions at the yardstick's limit of detection, in other wells in each pass; remembered."""

    def make() -> Readings:
        effects = spike_levels(context, n_directions(context, n)).limit
        return _together([_limit_pass(context, number, effects) for number in range(n_passes)])

    return once_per_run(context, ("limit readings", n, n_passes), make)


def clear_readings(context: AuditContext, n: int, n_passes: int) -> Readings:
    """Spike ``n`` directions as strongly as the arms do, in as few wells: what these are held against; remembered."""

    def make() -> Readings:
        effects = spike_levels(context, n_directions(context, n)).clear
        return _together([_limit_pass(context, number, effects) for number in range(n_passes)])

    return once_per_run(context, ("clear readings", n, n_passes), make)


def step_ratio(context: AuditContext, n: int) -> tuple[Doubles, Draws, int]:
    """Return d' of a step on top of strong effects over the yardstick's, (1 + R,), its draws and the number of wells.

    Two passes: the same wells with strong effects, one direction on a plate, and with slightly stronger ones.
    """
    place, strengths = spike_in_experiment(context), spike_levels(context, n_directions(context, n))
    n = len(strengths.strong)
    halves = plate_halves(context)
    n = max(1, min(n, MOST_STRONG, min(int(halves.sum()), int((~halves).sum())) // 2))
    code = deal_plates(place.base.wells, halves, n, SHARE, derive(context.seed, "strong"))
    direction = np.zeros(len(place.scale), dtype=np.intp)
    direction[place.plate[code != UNSPIKED]] = code[code != UNSPIKED]
    groups = [np.flatnonzero((halves == half) & (direction == k)).tolist() for half in (False, True) for k in range(n)]
    names = np.asarray(place.base.wells["plate"].unique(), dtype=str)
    draws = draws_within(names, [group for group in groups if group], context.n_resamples, context.seed)
    stepped = stepping(place.base.wells, code, n, derive(context.seed, "strong"))
    effects = np.vstack([strengths.strong[:n], strengths.stronger[:n]])
    strong, stronger = place.normalized(code, effects), place.normalized(stepped, effects)
    read = reader_of(context, stronger, code)
    steps = step(read, place.turned(strong, stronger, code), stronger, code, stepped != code)
    own = step_size(read, steps, halves, draws, n)
    strong, stronger = place.by_yardstick(code, effects), place.by_yardstick(stepped, effects)
    read = reader_of(context, stronger, code)
    values = own, step_size(read, step(read, strong, stronger, code, stepped != code), halves, draws, n)
    return relative(*values), draws, int((code != UNSPIKED).sum())


def relative(own: Doubles, yardstick: Doubles) -> Doubles:
    """Return ``own`` over ``yardstick``, NaN if that is not positive."""
    return np.asarray(np.divide(own, yardstick, out=np.full(own.shape, np.nan), where=yardstick > 0))


def _limit_pass(context: AuditContext, number: int, effects: Doubles) -> Readings:
    """Normalize wells of which a tenth has one of the effects, and read them."""
    place = spike_in_experiment(context)
    n = len(effects)
    code = deal(place.base.wells, n, SHARE, derive(context.seed, "limit", number))
    after = place.normalized(code, effects)
    own = place.moved(after, code, n, plain=place.turned(place.plain, after, code))
    by_own = reader_of(context, after, code).read(after, code, n)
    after = place.by_yardstick(code, effects)  # in place of the other: both would take twice the memory
    yardstick, by_yardstick = (
        place.moved_by_yardstick(after, code, n),
        reader_of(context, after, code).read(after, code, n),
    )
    scores = {kind: (by_own[i], by_yardstick[i]) for i, kind in enumerate(KINDS)}
    reason = "" if place.noise.has_replicates else "no replicates: the effects of compounds count as noise"
    if place.yardstick.is_noisy:
        reason = "; ".join(filter(None, [reason, NOISY]))
    n_wells = int((code != UNSPIKED).sum())
    draws, is_raw = plate_draws(context), not place.yardstick.factors
    return Readings([(own, yardstick)], plate_halves(context), draws, scores, n_wells, reason, is_raw)


def _together(passes: Sequence[Readings]) -> Readings:
    """Add the scores of passes with the same directions."""
    first = passes[0]
    scores = {kind: tuple(_sum([p.scores[kind][i] for p in passes]) for i in range(2)) for kind in first.scores}
    moves = [pair for readings in passes for pair in readings.moves]
    n_wells = sum(readings.n_wells for readings in passes)
    return Readings(moves, first.halves, first.draws, scores, n_wells, first.reason, first.is_raw)


def _sum(parts: Sequence[PerWell]) -> PerWell:
    return PerWell(np.sum([p.total for p in parts], axis=0), np.sum([p.count for p in parts], axis=0))
