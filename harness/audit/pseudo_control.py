"""Pseudo-controls: treated wells made controls by a coin must not differ from the other treated wells."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from harness.audit.null import Null
from harness.norm.exchange import control_wells
from harness.seeding import generator
from harness.settings.types import Count, Positive
from harness.types import Profiles


class PseudoControl(Null):
    """As many random treated wells of each plate as it has controls, relabelled as controls; real controls left out.

    Holds the screen's own phenotypes, so that it also sees what a normalization does with active references.

    Parameters
    ----------
    tested : treated wells of a plate that are tested, per pseudo-control. The others take part in the normalization as
        they always do, and are spared the training.
    """

    name: ClassVar[str] = "pseudo_control"

    def __init__(self, *, n_repeats: Count = 1, tested: Positive = 1.5) -> None:
        super().__init__(n_repeats=n_repeats)
        self.tested = tested

    def relabel(self, profiles: Profiles, seed: int) -> Profiles:
        role = profiles.wells["role"].to_numpy().astype(object)
        for plate in profiles:
            treated = np.sort(plate.wells.loc[plate.wells["role"] == "treated", "well"].unique())
            k = min(len(control_wells(plate)), len(treated) // 2)
            order = generator(seed, "pseudo-controls", plate.name).permutation(treated)
            last = k + int(np.ceil(k * self.tested))
            now = {**dict.fromkeys(order[:k], "negcon"), **dict.fromkeys(order[last:], "poscon")}
            role[plate.rows] = plate.wells["well"].map(now).fillna(plate.wells["role"]).to_numpy()
        relabelled = profiles.replace(wells=profiles.wells.assign(role=role))
        return relabelled.take((profiles.wells["role"] != "negcon").to_numpy())
