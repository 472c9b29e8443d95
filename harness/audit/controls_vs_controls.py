"""Controls against controls: can the models tell wells apart that hold nothing but DMSO?"""

from __future__ import annotations

from typing import Annotated, ClassVar

from harness.audit.null import Null
from harness.audit.relabel import hide_controls
from harness.settings.limits import Within
from harness.settings.types import Count
from harness.types import Profiles


class ControlsVsControls(Null):
    """Controls only, a random half of each plate's relabelled as treated before normalization.

    Above 0.5, controls that take part in their own reference lie closer to it than wells that do not.

    Parameters
    ----------
    share : of the controls that are relabelled.
    """

    name: ClassVar[str] = "controls_vs_controls"

    def __init__(self, *, n_repeats: Count = 1, share: Annotated[float, Within(0, 1)] = 0.5) -> None:
        super().__init__(n_repeats=n_repeats)
        self.share = share

    def relabel(self, profiles: Profiles, seed: int) -> Profiles:
        only = profiles.take((profiles.wells["role"] == "negcon").to_numpy())
        return hide_controls(only, share=self.share, seed=seed)
