"""Sources that offer some plates of a screen: all but the excluded ones, or a sample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from harness.core.arrays import Floats
from harness.core.exceptions import InputError
from harness.core.profiles import Profiles
from harness.core.seeding import generator
from harness.store.reading_report import ReadingReport, report_of
from harness.store.source import Source
from harness.utils.text import as_list, normalize_id, preview, quoting_hint

MIN_PLATES = 4  # of a batch, if it has as many: enough to split it in two halves of two


class PlateFilter:
    """All plates of ``source`` but those named in ``plates``.

    Raises
    ------
    InputError : a name that no plate has, or no plate remains.
    """

    def __init__(self, source: Source, plates: str | int | Sequence[str | int]) -> None:
        self.source = source
        self._plates = as_list(plates)
        self.excluded = sorted({normalize_id(plate) for plate in as_list(plates)})

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def report(self) -> ReadingReport:
        return report_of(self.source)

    def key(self) -> dict[str, Any]:
        return {**self.source.key(), "exclude_plates": self.excluded}

    def features(self) -> list[str]:
        return self.source.features()

    def plates(self) -> Iterator[tuple[Floats, pd.DataFrame, Floats | None]]:
        seen = []
        for X, wells, planted in self.source.plates():
            seen.append(normalize_id(wells["plate"].iloc[0]))
            if seen[-1] not in self.excluded:
                yield X, wells, planted
        if unknown := [plate for plate in self.excluded if plate not in seen]:
            hint = quoting_hint(self._plates, option="data.exclude_plates")
            raise InputError(f"data.exclude_plates names {preview(unknown)}; found plates {preview(seen)}{hint}")
        if set(seen) <= set(self.excluded):
            raise InputError(f"data.exclude_plates leaves no plate; found {preview(seen)}")

    def tables(self) -> dict[str, pd.DataFrame]:
        return dict(self.source.tables())


class PlateSubset:
    """Some plates of packed profiles, in their order, with the batches that these have."""

    def __init__(self, profiles: Profiles, names: list[str]) -> None:
        self.profiles = profiles
        self.names = names

    @property
    def name(self) -> str:
        return self.profiles.name

    def key(self) -> dict[str, Any]:
        """Return the plates with their batches: the same content may be divided into batches in several ways."""
        batch = self.profiles.wells.drop_duplicates("plate").set_index("plate")["batch"]
        plates = {plate: str(batch[plate]) for plate in self.names}
        return {"reader": "some plates", "of": self.profiles.fingerprint, "plates": plates}

    def features(self) -> list[str]:
        return list(self.profiles.features)

    def plates(self) -> Iterator[tuple[Floats, pd.DataFrame, Floats | None]]:
        for plate in self.profiles.where(self.profiles.wells["plate"].isin(self.names).to_numpy()):
            yield plate.X, plate.wells, plate.planted

    def tables(self) -> dict[str, pd.DataFrame]:
        return {}


def sample_plates(wells: pd.DataFrame, most: int, seed: int) -> list[str]:
    """Sample plates with about ``most`` wells: of each batch in proportion to its plates, at least 4 or all.

    In their order in ``wells`` (one row per well); all plates if there are no more wells than that.

    Raises
    ------
    InputError : ``most`` is too small for that.
    """
    plates = wells.drop_duplicates("plate")[["plate", "batch"]].astype(str)
    if len(wells) <= most:
        return list(plates["plate"])
    n_plates = int(most * len(plates) / len(wells))
    size = plates["batch"].value_counts(sort=False)
    n = np.minimum(size, MIN_PLATES)
    if n.sum() > n_plates:
        least = int(np.ceil(n.sum() * len(wells) / len(plates)))
        raise InputError(
            f"audit_wells={most}: {len(size)} batches need {int(n.sum())} plates, {MIN_PLATES} of each that has them; "
            f"set audit_wells={least} or more, or null for all {len(wells)}"
        )
    for _ in range(n_plates - int(n.sum())):  # one by one to the batch whose share is furthest behind
        n[((n < size) * (size / (n + 1))).idxmax()] += 1
    sample: set[str] = set()
    for batch, names in plates.groupby("batch")["plate"]:
        order = generator(seed, "audited plates", batch).permutation(np.sort(names.to_numpy()))
        sample |= set(order[: int(n[str(batch)])])
    return [plate for plate in plates["plate"] if plate in sample]
