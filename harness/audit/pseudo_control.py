"""Pseudo-controls: treated wells made controls by a coin must not differ from the other treated wells."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from harness.audit.shared.even_sample import rows_by_name
from harness.audit.shared.exchange_metadata import with_metadata
from harness.audit.shared.null import SampledNullTest
from harness.audit.shared.relabelled import Relabelled
from harness.core.exceptions import NotApplicable
from harness.core.profiles import Profiles
from harness.core.seeding import generator


class PseudoControl(SampledNullTest):
    """As many random treated wells of each plate as it has controls, called controls; real controls left out.

    They take the compound, dose and all other metadata of a real control of their plate with the role. The null holds
    the screen's own phenotypes, so that it also sees what a normalization does with active references. Plates without a
    control or with fewer than 2 treated wells are left out.

    """

    name: ClassVar[str] = "pseudo_control"

    def relabel(self, profiles: Profiles, seed: int, repeat: int) -> Relabelled:  # noqa: ARG002
        rows: list[int] = []
        donors: list[int] = []
        tested = np.zeros(len(profiles.wells), dtype=bool)
        kept = (profiles.wells["role"] != "negcon").to_numpy(dtype=bool).copy()
        for plate in profiles:
            controls, treated = rows_by_name(plate, "negcon"), rows_by_name(plate, "treated")
            if len(treated) < 2 or not len(controls):
                kept[plate.rows] = False
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
        return Relabelled(relabelled.take(kept), tested[kept])
