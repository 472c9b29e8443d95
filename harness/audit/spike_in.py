"""Spike-in: does a normalization treat a phenotype the same, however common it is?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import numpy as np

from harness.audit.base import AuditContext, Check
from harness.audit.replicate.prevalence import Prevalence, prevalence_by_plate
from harness.audit.spike.arms import Arm, design_at_share, is_tied, measure_arm, other_designs, sparse_arm
from harness.audit.spike.design import SpikeDesign
from harness.audit.spike.measurement import spike_in_experiment
from harness.audit.spike.turning_point import TurningPoint, ValueAndBounds, find_turning_point
from harness.core.exceptions import NotApplicable
from harness.core.finding import Finding
from harness.core.seeding import derive
from harness.settings.annotated_types import Count, NotNegative
from harness.settings.limits import Between

KEY = "audit/spike_in"
LEAST = 0.01  # share of wells that are spiked if none is active
ALIKE = 0.05  # difference of prevalence that needs no measurement of its own
UNKNOWN = "prevalence_unknown"


class SpikeIn(Check):
    """Add one known effect to many wells before normalization, and measure how far these then stand from the others.

    Methods that read all wells of a plate take a phenotype that most of them share for the plate's own. Each arm spikes
    other wells: ``sparse`` (many effects in few wells each), ``common`` (90% of the treated wells on half of the
    plates), ``batch_bound`` (5% to 90%, by batch), ``position_bound`` (20%, the same wells on every plate) and
    ``matched``: this screen's own prevalence by plate, from the agreement of replicates, and its own layout (the same
    positions everywhere if compounds are tied to positions). One direction is spiked at a time: that all active wells
    look alike is the worst case.

    Findings under ``audit/spike_in/<arm>``:

    * ``contrast``: d' of spiked against unspiked wells of the whole screen, over the yardstick's (see
      :class:`harness.audit.effects_kept.EffectsKept`): 1 if prevalence does not matter, 0 if the effect is gone;
    * ``retention``: the part of it that is the displacement of the spiked wells; ``spillover``: the displacement of the
      other wells on plates with spikes along the same direction, 0 if they stay;
    * ``matched/contrast_at_lower`` and ``contrast_at_upper``: the same at the bounds of the prevalence; a conclusion
      has to hold for both.

    ``audit/spike_in/turns_at``: the share of active wells on half of the plates at which the contrast falls below 1 -
    ``margin`` of that of rare effects; 1 with code ``never`` if it does not up to 90%. If compounds are tied to
    positions, all plates have that share, at the same positions. If the prevalence is unknown (code
    ``prevalence_unknown``) the bounds are as wide as can be: the sparse arm (``position_bound`` if compounds are tied
    to positions) and 90%.

    Parameters
    ----------
    n_matched, n_others : directions of the matched arm, and of each other arm and bound; one normalization for each.
    margin : loss of contrast that counts, for ``turns_at`` only.
    tied_above : bias-corrected Cramer's V of compound x position from which on the layout counts as fixed.
    n_directions, n_passes : of the sparse arm. Its effects are as strong as those of the other arms: a method that
        bends large effects does so however rare they are.
    """

    needs = ("plates >= 2", "controls_per_plate >= 2")

    def __init__(
        self,
        *,
        n_matched: Count = 3,
        n_others: Count = 1,
        margin: Annotated[float, Between(0.01, 0.99)] = 0.12,
        tied_above: NotNegative = 0.5,
        n_directions: Count = 8,
        n_passes: Count = 2,
    ) -> None:
        self.n_matched = n_matched
        self.n_others = n_others
        self.margin = margin
        self.tied_above = tied_above
        self.n_directions = n_directions
        self.n_passes = n_passes

    def findings(self, context: AuditContext) -> Iterator[Finding]:
        tied = is_tied(context, self.tied_above)
        sparse = sparse_arm(context, self.n_directions, self.n_passes)
        yield from _arm("sparse", sparse)
        arms = {"sparse": sparse}
        for design in other_designs(spike_in_experiment(context).base.wells, derive(context.seed, "spikes")):
            arms[design.name] = measure_arm(context, design, self._first(self.n_others), sparse)
            yield from _arm(design.name, arms[design.name])

        def contrast(share: float) -> ValueAndBounds:
            """Return the contrast at a share of active wells."""
            if share == 0.9 and not tied:
                return arms["common"].bounded("contrast")
            arm = measure_arm(context, design_at_share(context, share, tied=tied), self._first(1), sparse)
            return arm.bounded("contrast")

        rare = sparse.bounded("contrast")[0]
        turning = find_turning_point(contrast, sparse.bounded("contrast"), (1 - self.margin) * rare)
        rarest = arms["position_bound" if tied else "sparse"]
        yield from self._matched(context, turning, rarest, sparse, tied=tied)
        yield Finding(f"{KEY}/turns_at", *turning.point, reason=turning.reason, code=turning.code)

    def _first(self, n: int) -> range:
        """Return the numbers of the first ``n`` directions."""
        return range(min(n, self.n_directions))

    def _matched(
        self, context: AuditContext, turning: TurningPoint, rarest: Arm, sparse: Arm, *, tied: bool
    ) -> Iterator[Finding]:
        """Yield the contrast at the screen's own prevalence and at its bounds, or from ``rarest`` to 90% if unknown."""
        key = f"{KEY}/matched"
        try:
            prevalence = prevalence_by_plate(context)
        except NotApplicable as unknown:
            reason = unknown.reason
            yield Finding(f"{key}/prevalence", np.nan, 0.0, 1.0, reason=reason, code=UNKNOWN)
            yield Finding(f"{key}/contrast", np.nan, reason=reason, code=UNKNOWN)
            for name, values in (("lower", rarest.bounded("contrast")), ("upper", turning.highest)):
                yield Finding(f"{key}/contrast_at_{name}", *values, reason=reason, code=UNKNOWN)
            return
        arm = measure_arm(context, _design(prevalence, 0, tied=tied), self._first(self.n_matched), sparse)
        yield from _arm("matched", arm, prevalence)
        for bound, name in enumerate(("lower", "upper"), start=1):
            design = _design(prevalence, bound, tied=tied)
            if abs(design.mean_prevalence - arm.prevalence) < ALIKE:
                at_bound = arm
            else:
                at_bound = measure_arm(context, design, self._first(self.n_others), sparse)
            reason = f"at a mean prevalence of {at_bound.prevalence:.0%}"
            yield _finding(f"matched/contrast_at_{name}", at_bound.bounded("contrast"), at_bound.n_wells, reason)


def _design(prevalence: Prevalence, bound: int, *, tied: bool) -> SpikeDesign:
    """Return the design of the matched arm: ``bound`` 0 is the estimate of the prevalence, 1 its lower, 2 its upper."""
    shares = {str(plate): float(np.clip(values[bound], LEAST, 1)) for plate, values in prevalence.by_plate.items()}
    return SpikeDesign("matched", shares, same_positions=tied)


def _arm(name: str, arm: Arm, prevalence: Prevalence | None = None) -> Iterator[Finding]:
    """Yield the prevalence, contrast, retention and spillover of an arm."""
    bounds = (np.nan, np.nan) if prevalence is None else (prevalence.lower, prevalence.upper)
    reason, code = ("", "") if prevalence is None else (prevalence.reason, prevalence.code)
    yield Finding(f"{KEY}/{name}/prevalence", arm.prevalence, bounds[0], bounds[1], arm.n_wells, reason, code)
    for kind in ("contrast", "retention", "spillover"):
        yield _finding(f"{name}/{kind}", arm.bounded(kind), arm.n_wells)


def _finding(name: str, bounded: ValueAndBounds, n: int, reason: str = "") -> Finding:
    """Return a finding; one without a value or an interval has the code of what is missing."""
    code = ""
    if np.isnan(bounded[1]):
        reason, code = "too few plates of the same prevalence for an interval", "few_plates"
    if np.isnan(bounded[0]):
        reason, code = "too few plates with and without spikes to learn on some and measure on others", "few_plates"
    return Finding(f"{KEY}/{name}", *bounded, n, reason, code)
