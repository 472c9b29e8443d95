"""Controls relabelled as treated before normalization: wells with nothing in them, for tests of the measurement."""

from __future__ import annotations

import numpy as np

from harness.core.profiles import Profiles
from harness.core.seeding import generator
from harness.norm.engine.exchangeable import control_wells


def hide_controls(profiles: Profiles, *, share: float, seed: int) -> Profiles:
    """Relabel a random ``share`` of each plate's control wells (rounded down) as treated.

    Returns
    -------
    Profiles : same rows; ``role`` changed, ``compound`` (where there is one) emptied, and a boolean column
        ``heldout_control`` that marks the relabelled wells. Features are not copied.
    """
    hidden = np.zeros(len(profiles.wells), dtype=bool)
    for plate in profiles:
        controls = control_wells(plate)
        order = generator(seed, "hide controls", plate.name).permutation(controls)
        hidden[plate.rows] = plate.wells["well"].isin(order[: int(len(controls) * share)])
    wells = profiles.wells.assign(heldout_control=hidden)
    wells["role"] = wells["role"].where(~hidden, "treated")
    if "compound" in wells:  # else the name of the control would tie all hidden wells together as one compound
        wells["compound"] = wells["compound"].where(~hidden, "")
    return profiles.replace(wells=wells)
