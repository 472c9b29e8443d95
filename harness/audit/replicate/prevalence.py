"""Share of treated wells that are active, from how well replicates on other plates agree, and from nothing else."""

from __future__ import annotations

import numpy as np

from harness.audit.base import AuditContext
from harness.audit.replicate.active_shares import ALPHA, ActiveShares
from harness.audit.replicate.active_shares import Prevalence as Prevalence
from harness.audit.replicate.agreement import Agreement
from harness.audit.replicate.displacement import displacements
from harness.audit.replicate.position_effects import share_beside_controls
from harness.audit.replicate.selection import PairRule, replicate_wells
from harness.audit.shared.views import raw_wells
from harness.core.arrays import Doubles
from harness.core.exceptions import NotApplicable

COVERED = 0.8  # share of treated wells in rows and columns of controls, from which on position is told from biology
DOMINANT = 0.5  # share of agreement along one direction, from which on most treatments may share it
APART = "controls stand in rows or columns of their own: a phenotype that nearly all treated wells share is not seen"
SHARED = (
    "treatments differ in something that many of them share, and controls stand in rows or columns of their own: which "
    "of them are like controls is not known"
)
OTHER_PLACES = PairRule(batch=False, position=True)


def prevalence_by_plate(context: AuditContext) -> Prevalence:
    """Estimate which share of treated wells is active, on raw profiles minus their plate's controls, once in a process.

    A treatment is active if its wells on other plates at other positions agree more than noise does (p < 0.05); mean
    effects of rows and columns are taken off first. If controls stand among treated wells, 0 lies at the controls, so
    that a phenotype that most wells share counts too. If they stand in rows or columns of their own it lies at the mean
    of the treated wells, and if these vary along one direction above all, it is not known which of them are like
    controls: the value is then that against sets of wells of different compounds, a floor, and the upper bound that
    with 0 at the controls (code ``shared_direction``). Otherwise ``controls_apart``: what nearly all wells share is not
    seen.
    Effects too weak, or in too few batches, to be repeated are not seen, and heavy tails hide more: it is a floor.

    Raises
    ------
    NotApplicable : ``no_compounds``, ``no_replicates``, ``same_position`` (every compound stands in one well of all its
        plates), ``few_compounds``, ``few_controls``, ``nothing_varies``.
    """
    return context.profiles.cached(("prevalence", context.seed), lambda: _prevalence(context))


def _prevalence(context: AuditContext) -> Prevalence:
    profiles = raw_wells(context)
    wells = profiles.wells
    selected = replicate_wells(wells, context.seed)
    if not selected.rule().position:
        raise NotApplicable(
            "every compound stands in the same well on all its plates: replicates would agree by their position too; "
            "replicates at other positions would settle it",
            code="same_position",
        )
    profile = displacements(profiles, selected, context.seed)
    agreement = Agreement(profile.treated, selected, OTHER_PLACES, context.seed)
    plates = wells["plate"].iloc[selected.rows].astype(str).to_numpy(dtype=str)
    batch_of = wells.drop_duplicates("plate").assign(plate=lambda t: t["plate"].astype(str)).set_index("plate")["batch"]

    def shares(p: Doubles) -> ActiveShares:
        return ActiveShares.of(p < ALPHA, ~np.isnan(p), selected.treatment, plates, batch_of, context.seed)

    n = len(np.unique(selected.treatment[selected.pairs(OTHER_PLACES)[0]]))
    noise = shares(agreement.against_noise(profile.origin_errors))
    if share_beside_controls(wells) >= COVERED:
        return noise.prevalence(n, selected.caveat)
    reason = "; ".join(filter(None, [APART, selected.caveat]))
    others, centred = shares(agreement.against_others()), agreement.centred()
    among = shares(centred.against_noise(lambda _: np.zeros((len(np.unique(plates)), profile.treated.shape[1]))))
    if among.overall[1] <= others.overall[2]:
        return others.prevalence(n, reason, "controls_apart")
    if centred.dominance() < DOMINANT:
        return among.prevalence(n, reason, "controls_apart")
    return others.up_to(noise).prevalence(n, "; ".join(filter(None, [SHARED, selected.caveat])), "shared_direction")
