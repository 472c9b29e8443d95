"""Some plates of a screen as a source of its own: what costs too much on all of them is done on these."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from harness.core.arrays import Floats
from harness.core.exceptions import InputError
from harness.core.profiles import Profiles
from harness.core.seeding import generator

FEWEST = 4  # plates of a batch, where it has as many: enough to split it in two halves of two


class PlateSubset:
    """The plates ``chosen`` of packed profiles, in their order, with the batches that these have."""

    def __init__(self, profiles: Profiles, chosen: list[str]) -> None:
        self.profiles = profiles
        self.chosen = chosen

    @property
    def name(self) -> str:
        return self.profiles.name

    def key(self) -> dict[str, Any]:
        """Return batches count: the same content may be divided in several ways."""
        batch = self.profiles.wells.drop_duplicates("plate").set_index("plate")["batch"]
        plates = {plate: str(batch[plate]) for plate in self.chosen}
        return {"reader": "some plates", "of": self.profiles.fingerprint, "plates": plates}

    def features(self) -> list[str]:
        return list(self.profiles.features)

    def plates(self) -> Iterator[tuple[Floats, pd.DataFrame, Floats | None]]:
        for plate in self.profiles.where(self.profiles.wells["plate"].isin(self.chosen).to_numpy()):
            yield plate.X, plate.wells, plate.planted

    def tables(self) -> dict[str, pd.DataFrame]:
        return {}


def sample_plates(wells: pd.DataFrame, most: int, seed: int) -> list[str]:
    """Return plates with about ``most`` wells, drawn batch by batch in proportion to its plates, but 4 (or all) of
    each.

    In their order in ``wells`` (one row per well); all of them where there are no more wells.

    Raises
    ------
    InputError : ``most`` is too small for that.
    """
    plates = wells.drop_duplicates("plate")[["plate", "batch"]].astype(str)
    if len(wells) <= most:
        return list(plates["plate"])
    n_plates = int(most * len(plates) / len(wells))
    size = plates["batch"].value_counts(sort=False)
    n = np.minimum(size, FEWEST)
    if n.sum() > n_plates:
        least = int(np.ceil(n.sum() * len(wells) / len(plates)))
        raise InputError(
            f"audit_wells={most}: {len(size)} batches need {int(n.sum())} plates, {FEWEST} of each that has them; set "
            f"audit_wells={least} or more, or null for all {len(wells)}"
        )
    for _ in range(n_plates - int(n.sum())):  # one by one to the batch whose share is furthest behind
        n[((n < size) * (size / (n + 1))).idxmax()] += 1
    drawn: set[str] = set()
    for batch, own in plates.groupby("batch")["plate"]:
        order = generator(seed, "audited plates", batch).permutation(np.sort(own.to_numpy()))
        drawn |= set(order[: int(n[str(batch)])])
    return [plate for plate in plates["plate"] if plate in drawn]
