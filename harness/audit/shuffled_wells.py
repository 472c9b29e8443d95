"""Profiles dealt anew to the wells of their plate: everything that a normalization knows is there, nothing to tell."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from harness.audit.shared.null import Bound, NullTest
from harness.audit.shared.relabelled import Relabelled
from harness.core.profiles import Profiles
from harness.core.seeding import generator
from harness.settings.annotated_types import Count, Positive


class ShuffledWells(NullTest):
    """The profiles of each plate's controls and treated wells, permuted at random over these wells.

    What is called what, and where it stands, remains: roles, compounds, positions. So does what is in a plate: its
    batch effect and its phenotypes. Only the tie between the two is cut, and with it every difference between controls
    and treated wells but the one that the normalization makes of roles, names or layout. Cell counts are measured and
    move with the profiles. It takes as few controls as the normalization itself does.

    Parameters
    ----------
    tested : treated wells that are tested, per control.
    """

    name: ClassVar[str] = "shuffled_wells"

    def __init__(
        self, *, n_repeats: Count = 3, clear_below: Bound = 0.6, clear_above: Bound = 0.55, tested: Positive = 1.5
    ) -> None:
        super().__init__(n_repeats=n_repeats, clear_below=clear_below, clear_above=clear_above)
        self.tested = tested

    def relabel(self, profiles: Profiles, seed: int, repeat: int) -> Relabelled:  # noqa: ARG002
        source = np.arange(len(profiles.wells))
        tested = np.zeros(len(source), dtype=bool)
        for plate in profiles:
            role, well = plate.wells["role"].to_numpy(), plate.wells["well"].to_numpy()
            dealt = np.flatnonzero((role == "negcon") | (role == "treated"))
            dealt = dealt[np.argsort(well[dealt], kind="stable")]
            first = plate.rows.start
            source[first + dealt] = first + generator(seed, "deal", plate.name).permutation(dealt)
            controls, treated = (dealt[role[dealt] == name] for name in ("negcon", "treated"))
            n = int(np.ceil(len(controls) * self.tested))
            tested[first + controls] = True
            tested[first + generator(seed, "tested", plate.name).permutation(treated)[:n]] = True
        wells = profiles.wells
        if "cell_count" in wells:
            wells = wells.assign(cell_count=wells["cell_count"].to_numpy()[source])
        planted = None if profiles.planted is None else profiles.planted[source]
        return Relabelled(profiles.replace(X=profiles.X[source], wells=wells, planted=planted), tested)
