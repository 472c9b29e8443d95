"""Controls against controls: a null test on wells that hold nothing but the vehicle."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np
import pandas as pd

from harness.audit.shared.hidden_controls import n_hidden_parts
from harness.audit.shared.null import NullTest
from harness.audit.shared.relabelled import Relabelled
from harness.audit.shared.well_choice import rows_by_name
from harness.audit.shared.well_metadata import with_metadata
from harness.core.exceptions import NotApplicable
from harness.core.profiles import Profiles
from harness.core.seeding import generator


class ControlsVsControls(NullTest):
    """Null test: some of each plate's controls are called treated before normalization and scored against the rest.

    The relabelled controls also take the compound, dose and all other metadata of random treated wells of their plate.
    Treated wells are normalized with them and are not scored. An AUROC above 0.5 means that controls that take part in
    their own reference come to lie closer to it than wells that do not. What a method does to active wells is not seen:
    none are scored (see :class:`harness.audit.pseudo_control.PseudoControl`).

    Half of the controls are relabelled, or as many as leave each plate the 3 that a reference needs (see
    :func:`harness.audit.shared.hidden_controls.n_hidden_parts`). Plates with 3 controls or fewer give half of them,
    rounded down: enough for methods without a reference.
    """

    name: ClassVar[str] = "controls_vs_controls"

    def relabel(self, profiles: Profiles, seed: int, repeat: int) -> Relabelled:  # noqa: ARG002
        n_relabelled = _number_relabelled(profiles.wells)
        rows: list[int] = []
        donors: list[int] = []
        tested = (profiles.wells["role"] == "negcon").to_numpy(dtype=bool)
        for plate in profiles:
            controls, treated = rows_by_name(plate, "negcon"), rows_by_name(plate, "treated")
            relabelled_rows = generator(seed, "hide controls", plate.name).permutation(controls)[
                : n_relabelled(len(controls))
            ]
            rows.extend(relabelled_rows)
            rng = generator(seed, "metadata", plate.name)
            donors.extend(rng.choice(treated, len(relabelled_rows)) if len(treated) else relabelled_rows)
        wells = with_metadata(profiles.wells, rows, donors)
        role = wells["role"].to_numpy(dtype=object).copy()
        role[rows] = "treated"  # of a plate without treated wells too
        return Relabelled(profiles.replace(wells=wells.assign(role=role)), tested)


def _number_relabelled(wells: pd.DataFrame) -> Callable[[int], int]:
    """Return a function from the number of a plate's controls to how many of them are relabelled."""
    try:
        n_parts = n_hidden_parts(wells)
    except NotApplicable:
        return lambda n: n // 2
    return lambda n: int(np.ceil(n / n_parts))
