"""The packed screen on disk: written once per content, opened as a read-only memory map.

``CACHE/<hash of the source's key>/`` holds ``features.npy`` (n_rows, n_features; float32, C order, rows of a plate
contiguous), ``wells.parquet``, ``store.json`` and, for a simulated screen, ``planted.npy`` and ``truth/*.parquet``.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from harness.core.aggregate_cache import ArrayName
from harness.core.exceptions import CorruptedStoreError
from harness.core.profiles import Profiles
from harness.store.lru_cache import DirectoryCache
from harness.store.manifest import FORMAT, as_corruption_error, read_manifest
from harness.store.plate_subset import PlateFilter
from harness.store.readahead_memmap import open_array
from harness.store.source import Source, packed_bytes
from harness.store.well_cache import WellCache
from harness.store.writer import pack
from harness.utils.hashing import file_hash_cache

WORTH_KEEPING = 200_000_000  # bytes of images; fewer are aggregated in a tenth of a second


def load(source: Source, cache: DirectoryCache | Path, place: StorePlace | None = None) -> Profiles:
    """Return profiles of ``source``, packed into ``cache`` unless they are there already; X stays on disk.

    A damaged store is packed again, with a warning. A failure leaves nothing behind. The aggregated wells of a large
    screen of images are cached as well, once they are requested.

    Parameters
    ----------
    place : of this source in the cache, if the caller has located it already.

    Raises
    ------
    InputError : anything wrong with the source, or no room for it.
    """
    cache = _cache(cache)
    key, name = place or locate(source, cache)
    source = _included(source)
    profiles = cache.entry(
        name,
        make=partial(pack, source, key=key),
        opened=partial(_checked, cache),
        n_bytes=partial(packed_bytes, source),
        what=source.name,
    )
    well_cache = None
    if profiles.X.nbytes >= WORTH_KEEPING:
        contents: dict[ArrayName, str] = {"features": profiles.fingerprint, "planted": f"planted {name}"}
        well_cache = WellCache(cache, contents, f"wells of {source.name}")
    return profiles.replace(name=source.name, well_cache=well_cache)


def store_folder(source: Source, cache: DirectoryCache | Path) -> Path:
    """Return the folder in which :func:`load` keeps this source."""
    cache = _cache(cache)
    return cache.folder / locate(source, cache).name


def _cache(cache: DirectoryCache | Path) -> DirectoryCache:
    return cache if isinstance(cache, DirectoryCache) else DirectoryCache(cache)


def _included(source: Source) -> Source:
    """Return ``source`` without the plates of its setting ``exclude_plates``, if it leaves excluding them to us."""
    excluded = getattr(source, "exclude_plates", ())
    return PlateFilter(source, excluded) if excluded else source


def open_store(folder: Path) -> Profiles:
    """Return the profiles of a store folder; X (and planted) are memory maps, of which a plate is read when requested.

    Raises
    ------
    CorruptedStoreError : files absent, unreadable, changed, or of another size than the store's shape implies. Of a
        large store a changed plate is noticed when it is requested.
    """
    manifest = read_manifest(folder)
    with as_corruption_error(folder):
        wells = pd.read_parquet(folder / "wells.parquet")
        return Profiles(
            open_array(folder, "features.npy", manifest),
            wells,
            features=manifest["features"],
            planted=open_array(folder, "planted.npy", manifest) if manifest["planted"] else None,
            name=manifest["name"],
            fingerprint=manifest["fingerprint"],
        )


def read_truth(folder: Path) -> dict[str, pd.DataFrame]:
    """Return the truth tables of a simulated screen by name; empty for any other screen.

    Raises
    ------
    CorruptedStoreError : a table that is absent, changed or unreadable.
    """
    tables = {}
    for name in read_manifest(folder)["truth"]:
        path = folder / "truth" / f"{name}.parquet"
        with as_corruption_error(path):
            tables[name] = pd.read_parquet(path)
    return tables


class StorePlace(NamedTuple):
    """Place of a source in a cache: the key of its content, and the name of its folder."""

    key: dict[str, Any]
    name: str


def locate(source: Source, cache: DirectoryCache) -> StorePlace:
    """Return the place of a source in the cache, for which its files are hashed, unless they were before."""
    cache.begin()
    with file_hash_cache(cache.folder / "sources.json"):
        key = _included(source).key()
    return StorePlace(key, cache.name({"format": FORMAT, **key}))


def _checked(cache: DirectoryCache, folder: Path) -> Profiles:
    manifest = read_manifest(folder)
    if cache.name({"format": FORMAT, **manifest["provenance"]}) != folder.name:
        raise CorruptedStoreError(f"{folder}: holds the manifest of another screen")
    read_truth(folder)
    return open_store(folder)
