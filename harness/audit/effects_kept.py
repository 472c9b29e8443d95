"""Effects kept: are small effects in many directions kept, and still told apart?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.audit.base import AuditContext, Check
from harness.audit.shared.bounded_interval import bounded_interval
from harness.audit.spike.readings import (
    KINDS,
    SparseReadings,
    limit_readings,
    n_directions,
    ratio_to_yardstick,
    step_ratio,
    strengths_of_run,
)
from harness.core.arrays import Doubles
from harness.core.finding import Finding
from harness.settings.annotated_types import Count

KEY = "audit/effects_kept"
NOISY_YARDSTICK = "noisy_yardstick"
RAW_YARDSTICK = "raw_yardstick"  # too few controls to divide by their sd


class EffectsKept(Check):
    """Add known effects to a tenth of the treated wells before normalization, and measure what is left afterwards.

    Every direction is a pseudo-compound in wells of its own, one or two on every plate. Half of the directions are
    those of single real compounds, half are random where control wells vary alike in all directions. Effects are as
    strong as the yardstick can just find (AUROC 0.8, computed analytically), so that a loss shows. The yardstick is
    ``dmso_within``, which is invertible on every plate; it is ``raw`` if half of the plates have fewer than 8 controls,
    whose sd is too noisy to divide by.

    Findings under ``audit/effects_kept``:

    * ``ratio``: d' of spiked against unspiked wells along the best direction, over that of the yardstick, the mean over
      directions; ``worst_ratio``: that of the worst direction. 1 if effects keep their size in units of the noise, 0 if
      they are gone, above 1 if they are inflated. The noise is how treated wells differ from their replicates within
      plates: there are many such wells, and no method reads them as a reference.
    * ``auroc``: spiked against unspiked wells of the same plate, on held-out batches (plates if there are fewer than 4
      batches). ``told_apart``: AUROC of wells of one direction against those of another, the mean over pairs. For each
      also ``_yardstick`` and the paired difference ``_minus_yardstick``.
    * ``strength_ratio``: d' of a small step in strength on top of effects like the strongest real ones, in units of how
      wells with these vary, over the yardstick's. Saturation lowers it, a smooth compression does not.

    Methods fitted on training rows are fitted on every row here: spikes are few, and it is the readers that must not
    see the wells that they are scored on. A loss in a direction that is not tried, or that only shows if an effect is
    common (see :class:`harness.audit.spike_in.SpikeIn`), is not seen.

    Parameters
    ----------
    n_directions : pseudo-compounds.
    n_passes : normalizations with effects at the limit of detection, each with spikes in other wells.
    """

    needs = ("plates >= 2", "controls_per_plate >= 2")

    def __init__(self, *, n_directions: Count = 8, n_passes: Count = 2) -> None:
        self.n_directions = n_directions
        self.n_passes = n_passes

    def findings(self, context: AuditContext) -> Iterator[Finding]:
        n = self.n_directions
        readings = limit_readings(context, n, self.n_passes)
        yield from _ratios(readings)
        for kind in KINDS:
            yield from _scores(kind, readings)
        ratio, resamples, n_wells = step_ratio(context, n)
        yield _finding("strength_ratio", float(ratio[0]), resamples.interval(ratio), n_wells)
        strengths = strengths_of_run(context, n_directions(context, n))
        for name, effects in (("limit", strengths.limit), ("strong", strengths.strong)):
            yield Finding(f"{KEY}/{name}_sd", float(np.sqrt(np.square(effects).mean())), n=n)


def _ratios(readings: SparseReadings) -> Iterator[Finding]:
    """Yield the size of the effects relative to the yardstick's."""
    by_run, by_yardstick = (size.contrast for size in readings.sizes)
    resamples = readings.resamples
    ratio = ratio_to_yardstick(by_run, by_yardstick)
    mean = resamples.mean(ratio)
    n, reason = readings.n_wells, readings.reason
    code = RAW_YARDSTICK if readings.is_raw else NOISY_YARDSTICK if readings.is_noisy else ""
    yield _finding("ratio", float(mean[0]), resamples.interval(mean), n, reason, code)
    worst = int(np.nanargmin(ratio[0])) if np.isfinite(ratio[0]).any() else 0
    yield _finding("worst_ratio", float(ratio[0, worst]), resamples.interval(ratio[:, worst]), n)
    for name, values in (("d_prime", by_run), ("d_prime_yardstick", by_yardstick)):
        yield Finding(f"{KEY}/{name}", float(np.mean(values[0])), n=n)


def _scores(kind: str, readings: SparseReadings) -> Iterator[Finding]:
    """Yield a score on held-out plates, that of the yardstick on the same wells, and their difference."""
    resamples = readings.resamples
    by_run, by_yardstick = (resamples.mean(resamples.by_direction(s.total, s.count)) for s in readings.scores[kind])
    n = int(readings.scores[kind][0].count.sum())
    for name, values in ((kind, by_run), (f"{kind}_yardstick", by_yardstick)):
        bounds = bounded_interval(float(values[0]), values[1:], freedom=resamples.freedom)
        yield _finding(name, float(values[0]), bounds, n)
    difference: Doubles = by_run - by_yardstick
    yield _finding(f"{kind}_minus_yardstick", float(difference[0]), resamples.interval(difference), n)


def _finding(name: str, value: float, bounds: tuple[float, float], n: int, reason: str = "", code: str = "") -> Finding:
    """Return a finding; one without a value or an interval has the code of what is missing."""
    if np.isnan(value):
        reason, code = "too few wells to learn an effect on some plates and find it on others", "few_wells"
    elif np.isnan(bounds[0]):
        reason, code = "too few plates for an interval", "few_plates"
    return Finding(f"{KEY}/{name}", value, bounds[0], bounds[1], n, reason, code)
