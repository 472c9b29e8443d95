"""Controls against controls: can the models tell wells apart that hold nothing but DMSO?"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np
import pandas as pd

from harness.audit.shared.even_sample import rows_by_name
from harness.audit.shared.exchange_metadata import with_metadata
from harness.audit.shared.null import NullTest
from harness.audit.shared.relabelled import Relabelled
from harness.audit.shared.views import n_hidden_parts
from harness.core.exceptions import NotApplicable
from harness.core.profiles import Profiles
from harness.core.seeding import generator


class ControlsVsControls(NullTest):
    """A random part of each plate's controls, called treated before normalization, against the other controls.

    They take the compound, dose and all other metadata of random treated wells of their plate with the role. Treated
    wells are there as ever and are not tested. Above 0.5, controls that take part in their own reference lie closer to
    it than wells that do not.

    Half of the controls are hidden, or as many as leave each plate the 3 that a reference needs
    (:func:`harness.audit.shared.views.n_hidden_parts`); of plates of 3 and fewer half, rounded down, which suffices for
    methods that need no reference.
    """

    name: ClassVar[str] = "controls_vs_controls"

    def relabel(self, profiles: Profiles, seed: int, repeat: int) -> Relabelled:  # noqa: ARG002
        parted = _parted(profiles.wells)
        rows: list[int] = []
        donors: list[int] = []
        tested = (profiles.wells["role"] == "negcon").to_numpy(dtype=bool)
        for plate in profiles:
            controls, treated = rows_by_name(plate, "negcon"), rows_by_name(plate, "treated")
            hidden = generator(seed, "hide controls", plate.name).permutation(controls)[: parted(len(controls))]
            rows.extend(hidden)
            draw = generator(seed, "metadata", plate.name)
            donors.extend(draw.choice(treated, len(hidden)) if len(treated) else hidden)
        wells = with_metadata(profiles.wells, rows, donors)
        role = wells["role"].to_numpy(dtype=object).copy()
        role[rows] = "treated"  # of a plate without treated wells too
        return Relabelled(profiles.replace(wells=wells.assign(role=role)), tested)


def _parted(wells: pd.DataFrame) -> Callable[[int], int]:
    """Return how many of n controls of a plate are hidden."""
    try:
        n_parts = n_hidden_parts(wells)
    except NotApplicable:
        return lambda n: n // 2
    return lambda n: int(np.ceil(n / n_parts))
