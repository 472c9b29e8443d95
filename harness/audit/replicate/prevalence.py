"""Prevalence: the share of treated wells that are active, from the agreement of replicates on other plates."""

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
    """Estimate which share of treated wells is active, on raw profiles minus their plate's controls; once per process.

    A treatment is active if its wells on other plates at other positions agree more than noise does (p < 0.05), after
    the mean effects of rows and columns were subtracted.

    * If controls stand among treated wells, 0 lies at the controls, so that a phenotype that most wells share counts.
    * If controls stand in rows or columns of their own, 0 lies at the mean of the treated wells, and what nearly all
      wells share is not seen (code ``controls_apart``).
    * If treated wells then vary mainly along one direction, it is not known which of them are like controls. The value
      is that against sets of wells of different compounds, a lower limit; the upper bound is that with 0 at the
      controls (code ``shared_direction``).

    Effects that are too weak, or in too few batches, to be repeated are not seen, and heavy tails hide more: the number
    is a lower limit.

    Raises
    ------
    NotApplicable : ``no_compounds``, ``no_replicates``, ``same_position`` (every compound stands in one well of all its
        plates), ``few_compounds``, ``few_controls``, ``nothing_varies``.
    """
    return context.profiles.cached(("prevalence", context.seed), lambda: _prevalence(context))


def _prevalence(context: AuditContext) -> Prevalence:
    """Compute what :func:`prevalence_by_plate` returns."""
    profiles = raw_wells(context)
    wells = profiles.wells
    selected = replicate_wells(wells, context.seed)
    if not selected.rule().position:
        raise NotApplicable(
            "every compound stands in the same well on all its plates: replicates would agree by their position too; "
            "replicates at other positions would settle it",
            code="same_position",
        )
    displaced = displacements(profiles, selected, context.seed)
    agreement = Agreement(displaced.treated, selected, OTHER_PLACES, context.seed)
    plates = wells["plate"].iloc[selected.rows].astype(str).to_numpy(dtype=str)
    batch_of = wells.drop_duplicates("plate").assign(plate=lambda t: t["plate"].astype(str)).set_index("plate")["batch"]

    def shares(p: Doubles) -> ActiveShares:
        """Return the shares of wells of treatments with p < 0.05."""
        return ActiveShares.of(p < ALPHA, ~np.isnan(p), selected.treatment, plates, batch_of, context.seed)

    n = len(np.unique(selected.treatment[selected.pairs(OTHER_PLACES)[0]]))
    against_noise = shares(agreement.against_noise(displaced.origin_errors))
    if share_beside_controls(wells) >= COVERED:
        return against_noise.prevalence(n, selected.caveat)
    reason = "; ".join(filter(None, [APART, selected.caveat]))
    against_others, centred = shares(agreement.against_others()), agreement.centred()
    against_noise_of_centred = shares(
        centred.against_noise(lambda _: np.zeros((len(np.unique(plates)), displaced.treated.shape[1])))
    )
    if against_noise_of_centred.overall[1] <= against_others.overall[2]:
        return against_others.prevalence(n, reason, "controls_apart")
    if centred.dominance() < DOMINANT:
        return against_noise_of_centred.prevalence(n, reason, "controls_apart")
    return against_others.up_to(against_noise).prevalence(
        n, "; ".join(filter(None, [SHARED, selected.caveat])), "shared_direction"
    )
