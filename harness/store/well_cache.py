"""Cache of the aggregated wells of a packed screen of images, next to the screen: every run needs them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness.core.aggregate_cache import ArrayName
from harness.core.arrays import Floats
from harness.core.exceptions import CorruptedStoreError
from harness.store.lru_cache import DirectoryCache
from harness.store.manifest import FORMAT, read_manifest, write_manifest
from harness.store.readahead_memmap import open_array
from harness.store.writer import NpyAppender
from harness.utils.hashing import source_hash

SOURCES = ("harness.data.wells", "harness.numerics")  # packages that values depend on besides the sites


class WellCache:
    """Aggregated wells of one packed screen (an :class:`harness.core.aggregate_cache.AggregateCache`).

    Parameters
    ----------
    cache : the folder of entries.
    contents : identifies the values of each packed array.
    what : the screen in words, for messages.
    """

    def __init__(self, cache: DirectoryCache, contents: Mapping[ArrayName, str], what: str) -> None:
        self.cache = cache
        self.contents = dict(contents)
        self.what = what

    def load_or_compute(
        self,
        plates: Callable[[], Iterator[Floats]],
        *,
        array: ArrayName,
        wells: pd.DataFrame,
        n_features: int,
        key: str,
    ) -> Floats:
        """Return the wells of ``array``, (n_wells, n_features), mapped from the cache.

        Raises
        ------
        InputError : no room for them.
        """
        content = self.contents[array]
        provenance = {"format": FORMAT, "wells of": content, "how": key, "source": source_hash(*SOURCES)}
        names, first = np.unique(wells["plate"], return_index=True)
        order = np.argsort(first)
        manifest = {
            "format": FORMAT,
            "shape": [len(wells), n_features],
            "plates": [str(names[i]) for i in order],
            "ends": [*(int(i) for i in first[order][1:]), len(wells)],
            "provenance": provenance,
        }
        return self.cache.entry(
            self.cache.name(provenance),
            make=partial(_write, plates, manifest),
            opened=partial(_open, provenance),
            n_bytes=lambda: 4 * len(wells) * n_features,
            what=self.what,
        )


def _write(plates: Callable[[], Iterator[Floats]], manifest: dict[str, Any], folder: Path) -> None:
    file = NpyAppender(folder / "features.npy", manifest["shape"][1])
    try:
        for X in plates():
            file.append(X)
    finally:
        file.close()
    write_manifest(folder, {**manifest, "checksums": {"features.npy": file.checksums}})


def _open(provenance: dict[str, Any], folder: Path) -> Floats:
    manifest = read_manifest(folder)
    if manifest["provenance"] != provenance:
        raise CorruptedStoreError(f"{folder}: holds the manifest of another screen")
    return open_array(folder, "features.npy", manifest)
