"""Wells of a packed screen of images, kept beside it: every run, and many a check in it, asks for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness.core.arrays import Floats
from harness.core.exceptions import CorruptedStoreError
from harness.store.lru_cache import DirectoryCache
from harness.store.manifest import FORMAT, read_description, write_description
from harness.store.open_array import open_array
from harness.store.writer import NpyAppender
from harness.utils.hashing import source_hash

SOURCES = ("harness.data.wells", "harness.numerics")  # packages that values depend on besides the sites


class WellCache:
    """Keeps the wells of one packed array (:class:`harness.data.wells.aggregation.KeepsWells`).

    Parameters
    ----------
    cache : where.
    content : identifies the values of the packed array.
    what : the array in words.
    """

    def __init__(self, cache: DirectoryCache, content: str, what: str) -> None:
        self.cache = cache
        self.content = content
        self.what = what

    def __call__(
        self, parts: Callable[[], Iterator[Floats]], *, wells: pd.DataFrame, n_features: int, key: str
    ) -> Floats:
        """Return the ``parts`` of the plates of ``wells``, (n_wells, n_features), mapped from the cache.

        Raises
        ------
        InputError : no room for them.
        """
        provenance = {"format": FORMAT, "wells of": self.content, "how": key, "source": source_hash(*SOURCES)}
        plates, first = np.unique(wells["plate"], return_index=True)
        order = np.argsort(first)
        about = {
            "format": FORMAT,
            "shape": [len(wells), n_features],
            "plates": [str(plates[i]) for i in order],
            "ends": [*(int(i) for i in first[order][1:]), len(wells)],
            "provenance": provenance,
        }
        return self.cache.entry(
            self.cache.name(provenance),
            make=partial(_write, parts, about),
            opened=partial(_open, provenance),
            n_bytes=lambda: 4 * len(wells) * n_features,
            what=self.what,
        )


def _write(parts: Callable[[], Iterator[Floats]], about: dict[str, Any], folder: Path) -> None:
    file = NpyAppender(folder / "features.npy", about["shape"][1])
    try:
        for part in parts():
            file.append(part)
    finally:
        file.close()
    write_description(folder, {**about, "checksums": {"features.npy": file.checksums}})


def _open(provenance: dict[str, Any], folder: Path) -> Floats:
    about = read_description(folder)
    if about["provenance"] != provenance:
        raise CorruptedStoreError(f"{folder}: holds the description of another screen")
    return open_array(folder, "features.npy", about)
