"""One plate of profiles."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from harness.core.arrays import Floats, Mask
from harness.core.well_facts import WellFacts


@dataclass(frozen=True)
class Plate:
    """One plate: ``X`` (n, n_features) float32, ``wells`` (n rows, index 0..n-1), no task labels.

    ``rows`` is the range of the plate's rows in the profiles that it came from. ``planted`` is the batch-free
    truth of a simulated screen, (n, n_features), or None. ``facts`` follow from ``wells`` and are computed once.
    """

    name: str
    rows: slice
    X: Floats
    wells: pd.DataFrame
    planted: Floats | None = None
    facts: WellFacts = field(default=None, repr=False, compare=False)  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.facts is None or self.facts.table is not self.wells:  # also after dataclasses.replace(plate, wells=...)
            object.__setattr__(self, "facts", WellFacts(self.wells))

    @property
    def negcon(self) -> Mask:
        """Rows of negative control wells."""
        return self.facts.has_role("negcon")

    @property
    def filled(self) -> Mask:
        """Rows of wells that hold cells on purpose: all but ``empty``."""
        return ~self.facts.has_role("empty")
