"""Shuffled wells: a null test on profiles that are permuted over the wells of their plate."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from harness.audit.shared.null import SampledNullTest
from harness.audit.shared.relabelled import Relabelled
from harness.audit.shared.well_choice import rows_by_name
from harness.core.profiles import Profiles
from harness.core.seeding import generator


class ShuffledWells(SampledNullTest):
    """Null test: the profiles of each plate's controls and treated wells are permuted over these wells.

    Roles, compounds and positions stay as they are, and so do the profiles that a plate holds, with its batch effect
    and its phenotypes. Only the tie between the two is cut, and with it every difference between controls and treated
    wells except one that the normalization itself makes from roles, names or layout. Cell counts are measured and move
    with the profiles. The test needs no more controls than the normalization does.
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
