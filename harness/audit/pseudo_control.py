"""Pseudo-controls: treated wells made controls by a coin must not differ from the other treated wells."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from harness.audit.shared.exchange_metadata import with_metadata
from harness.audit.shared.null import Bound, NullTest
from harness.audit.shared.relabelled import Relabelled
from harness.core.exceptions import NotApplicable
from harness.core.profiles import Profiles
from harness.core.seeding import generator
from harness.settings.annotated_types import Count, Positive


class PseudoControl(NullTest):
    """As many random treated wells of each plate as it has controls, called controls; real controls left out.

    They take the compound, dose and all other metadata of a real control of their plate with the role. The null holds
    the screen's own phenotypes, so that it also sees what a normalization does with active references. Plates without a
    control or with fewer than 2 treated wells are left out.

    Parameters
    ----------
    tested : treated wells that are tested, per pseudo-control. The others take part in the normalization as they always
        do, and are spared the training.
    """

    name: ClassVar[str] = "pseudo_control"

    def __init__(
        self, *, n_repeats: Count = 3, clear_below: Bound = 0.6, clear_above: Bound = 0.55, tested: Positive = 1.5
    ) -> None:
        super().__init__(n_repeats=n_repeats, clear_below=clear_below, clear_above=clear_above)
        self.tested = tested

    def relabel(self, profiles: Profiles, seed: int, repeat: int) -> Relabelled:  # noqa: ARG002
        rows: list[int] = []
        donors: list[int] = []
        tested = np.zeros(len(profiles.wells), dtype=bool)
        kept = (profiles.wells["role"] != "negcon").to_numpy(dtype=bool).copy()
        for plate in profiles:
            role, well = plate.wells["role"].to_numpy(), plate.wells["well"].to_numpy()
            controls, treated = (
                places[np.argsort(well[places], kind="stable")] + plate.rows.start
                for places in (np.flatnonzero(role == "negcon"), np.flatnonzero(role == "treated"))
            )
            if len(treated) < 2 or not len(controls):
                kept[plate.rows] = False
                continue
            k = min(len(controls), len(treated) // 2)
            order = generator(seed, "pseudo-controls", plate.name).permutation(treated)
            rows.extend(order[:k])
            donors.extend(generator(seed, "metadata", plate.name).permutation(controls)[:k])
            tested[order[: k + int(np.ceil(k * self.tested))]] = True
        if not rows:
            raise NotApplicable(
                "no plate has a control well and 2 treated wells: nothing to make pseudo-controls of, and to hold "
                "against them",
                code="few_treated",
            )
        relabelled = profiles.replace(wells=with_metadata(profiles.wells, rows, donors))
        return Relabelled(relabelled.take(kept), tested[kept])
