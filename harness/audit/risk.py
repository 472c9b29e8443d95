"""What a normalization would lose on designs that this screen may not have: a warning, never evidence."""

from __future__ import annotations

from collections.abc import Mapping

from harness.audit.base import Finding
from harness.audit.spike.design import COMMON, SPARSE

DESIGNS = {  # arms of harness.audit.spike_in other than the matched one
    "sparse": f"{SPARSE:.0%} of the wells of every plate were active",
    "common": f"{COMMON:.0%} of the wells of half of the plates were active",
    "batch_bound": f"the share of active wells followed the batch ({SPARSE:.0%} to {COMMON:.0%})",
    "position_bound": "active wells lay at the same positions on every plate",
}


def risk(found: Mapping[str, Finding], margin: float) -> str:
    """One sentence on the spike-in's arms that lose more than ``margin`` of the contrast, or nothing.

    Of an arm both must hold: the loss exceeds the margin, and its interval excludes no loss. On simulated screens of
    9 and 15 plates, raw profiles and z-scores by controls lost 1% at most; whole-plate z-scores 60% of a common
    phenotype, ComBat 35% of one bound to the batch, well means 70% of one bound to its position.
    """
    lost = []
    for arm, design in DESIGNS.items():
        f = found.get(f"audit/spike_in/{arm}/contrast")
        if f is not None and f.value < 1 - margin and f.upper < 1:
            lost.append(f"{min(1 - f.value, 1):.0%} of a phenotype if {design}")
    return f"Risk on other designs, no part of the verdict: it would lose {'; '.join(lost)}." if lost else ""
