"""Pseudo-controls: a null test on treated wells that are called controls at random."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from harness.audit.shared.null import SampledNullTest
from harness.audit.shared.relabelled import Relabelled
from harness.audit.shared.well_choice import rows_by_name
from harness.audit.shared.well_metadata import with_metadata
from harness.core.exceptions import NotApplicable
from harness.core.profiles import Profiles
from harness.core.seeding import generator


class PseudoControl(SampledNullTest):
    """Null test: random treated wells, as many as a plate has controls, are called controls; real ones are left out.

    The pseudo-controls also take the compound, dose and all other metadata of real controls of their plate. The other
    treated wells are scored against them. As the wells hold the screen's own phenotypes, the test also sees what a
    normalization does when its reference contains active wells. Plates without a control or with fewer than 2 treated
    wells are left out.
    """

    name: ClassVar[str] = "pseudo_control"

    def relabel(self, profiles: Profiles, seed: int, repeat: int) -> Relabelled:  # noqa: ARG002
        rows: list[int] = []
        donors: list[int] = []
        tested = np.zeros(len(profiles.wells), dtype=bool)
        in_test = (profiles.wells["role"] != "negcon").to_numpy(dtype=bool).copy()
        for plate in profiles:
            controls, treated = rows_by_name(plate, "negcon"), rows_by_name(plate, "treated")
            if len(treated) < 2 or not len(controls):
                in_test[plate.rows] = False
                continue
            k = min(len(controls), len(treated) // 2)
            order = generator(seed, "pseudo-controls", plate.name).permutation(treated)
            rows.extend(order[:k])
            donors.extend(generator(seed, "metadata", plate.name).permutation(controls)[:k])
            tested[order[: k + self.n_tested(k)]] = True
        if not rows:
            raise NotApplicable(
                "no plate has a control well and 2 treated wells: nothing to make pseudo-controls of, and to hold "
                "against them",
                code="few_treated",
            )
        relabelled = profiles.replace(wells=with_metadata(profiles.wells, rows, donors))
        return Relabelled(relabelled.take(in_test), tested[in_test])
