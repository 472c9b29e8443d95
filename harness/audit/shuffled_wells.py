"""Profiles dealt anew to the wells of their plate: everything that a normalization knows is there, nothing to tell."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from harness.audit.shared.even_sample import rows_by_name
from harness.audit.shared.null import SampledNullTest
from harness.audit.shared.relabelled import Relabelled
from harness.core.profiles import Profiles
from harness.core.seeding import generator


class ShuffledWells(SampledNullTest):
    """The profiles of each plate's controls and treated wells, permuted at random over these wells.

    What is called what, and where it stands, remains: roles, compounds, positions. So does what is in a plate: its
    batch effect and its phenotypes. Only the tie between the two is cut, and with it every difference between controls
    and treated wells but the one that the normalization makes of roles, names or layout. Cell counts are measured and
    move with the profiles. It takes as few controls as the normalization itself does.
    """

    name: ClassVar[str] = "shuffled_wells"

    def relabel(self, profiles: Profiles, seed: int, repeat: int) -> Relabelled:  # noqa: ARG002
        source = np.arange(len(profiles.wells))
        tested = np.zeros(len(source), dtype=bool)
        for plate in profiles:
            shuffled = rows_by_name(plate, "negcon", "treated")
            source[shuffled] = generator(seed, "deal", plate.name).permutation(shuffled)
            controls, treated = rows_by_name(plate, "negcon"), rows_by_name(plate, "treated")
            tested[controls] = True
            sample = generator(seed, "tested", plate.name).permutation(treated)[: self.n_tested(len(controls))]
            tested[sample] = True
        wells = profiles.wells
        if "cell_count" in wells:
            wells = wells.assign(cell_count=wells["cell_count"].to_numpy()[source])
        planted = None if profiles.planted is None else profiles.planted[source]
        return Relabelled(profiles.replace(X=profiles.X[source], wells=wells, planted=planted), tested)
