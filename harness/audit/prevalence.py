"""Prevalence: which share of the treated wells is active?"""

from __future__ import annotations

from collections.abc import Iterator

from harness.audit.base import AuditContext, Check
from harness.audit.replicate.prevalence import prevalence_by_plate
from harness.core.finding import Finding


class PrevalenceCheck(Check):
    """Estimate which share of the treated wells is active, from the agreement of replicates on other plates.

    ``audit/prevalence``: the share over the screen, 0 to 1; ``audit/prevalence/highest_plate`` and ``lowest_plate``:
    that of single plates. Measured on raw profiles minus their plate's controls, whatever the run's method. Effects
    that are weak, or that replicates do not repeat, are not counted: the number is a lower limit. See
    :func:`harness.audit.replicate.prevalence.prevalence_by_plate`.
    """

    needs = ("replicated_treatments >= 1",)

    def findings(self, context: AuditContext) -> Iterator[Finding]:
        share = prevalence_by_plate(context)
        key = "audit/prevalence"
        yield Finding(key, share.overall, share.lower, share.upper, share.n, share.reason, share.code)
        plates = sorted(share.by_plate, key=lambda plate: share.by_plate[plate])
        for name, plate in (("lowest_plate", plates[0]), ("highest_plate", plates[-1])):
            value, lower, upper = share.by_plate[plate]
            yield Finding(f"{key}/{name}", value, lower, upper, share.n, f"plate {plate!r}")
