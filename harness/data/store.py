"""The packed screen on disk: written once per content, opened as a read-only memory map.

``CACHE/<hash of the source's key>/`` holds ``features.npy`` (n_rows, n_features; float32, C order, rows of a plate
contiguous), ``wells.parquet``, ``store.json`` and, for a simulated screen, ``planted.npy`` and ``truth/*.parquet``.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa

from harness.data.digest import remembering
from harness.data.excluding import Excluding
from harness.data.pack import FORMAT, pack
from harness.data.readahead import ReadAhead
from harness.data.source import Source
from harness.types import Floats, InputError, Profiles

logger = logging.getLogger(__name__)


class DamagedStoreError(InputError):
    """A store folder that is incomplete, truncated or unreadable."""


def load(source: Source, cache: Path) -> Profiles:
    """Profiles of ``source``, packed into ``cache`` unless they are there already; X stays on disk.

    A store that turns out to be damaged is packed again, with a warning. Nothing is left behind by a failure.

    Raises
    ------
    InputError : what is wrong with the source.
    """
    source = _shown(source)
    key, folder = _place(source, cache)
    profiles = None
    if folder.exists():
        try:
            profiles = _checked(folder)
        except DamagedStoreError as error:
            logger.warning("packing again: %s", error)
    if profiles is None:
        temporary = cache / f".{folder.name}.{os.getpid()}.{secrets.token_hex(4)}"
        temporary.mkdir()
        try:
            pack(source, temporary, key=key)
            _put(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        profiles = open_store(folder)
    return profiles.replace(name=source.name)


def store_folder(source: Source, cache: Path) -> Path:
    """Where :func:`load` keeps this source."""
    return _place(_shown(source), cache)[1]


def _shown(source: Source) -> Source:
    """Without the plates that its setting ``exclude_plates`` names, where it leaves that to us."""
    excluded = getattr(source, "exclude_plates", ())
    return Excluding(source, excluded) if excluded else source


def open_store(folder: Path) -> Profiles:
    """Profiles in a store folder; X (and planted) are read-only memory maps, read only where a plate is asked for.

    Raises
    ------
    DamagedStoreError : files absent, unreadable, or of another size than the store's shape asks for.
    """
    with _damage(folder):
        about = _about(folder)
        shape = (int(about["shape"][0]), int(about["shape"][1]))
        wells = pd.read_parquet(folder / "wells.parquet")
        return Profiles(
            _map(folder / "features.npy", shape),
            wells,
            features=about["features"],
            planted=_map(folder / "planted.npy", shape) if about["planted"] else None,
            name=about["name"],
            fingerprint=about["fingerprint"],
        )


def read_truth(folder: Path) -> dict[str, pd.DataFrame]:
    """Truth tables of a simulated screen by name; empty for any other.

    Raises
    ------
    DamagedStoreError : a table that is absent or unreadable.
    """
    tables = {}
    with _damage(folder):
        names = list(_about(folder)["truth"])
    for name in names:
        path = folder / "truth" / f"{name}.parquet"
        with _damage(path):
            tables[name] = pd.read_parquet(path)
    return tables


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    try:
        yield
    except DamagedStoreError:
        raise
    except (OSError, ValueError, KeyError, TypeError, IndexError, pa.ArrowException) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise DamagedStoreError(f"{path}: damaged store ({reason})") from error


def _about(folder: Path) -> dict[str, Any]:
    about = json.loads((folder / "store.json").read_text("utf-8"))
    if about["format"] != FORMAT:
        raise DamagedStoreError(f"{folder}: store of format {about['format']}; expected {FORMAT}")
    return cast(dict[str, Any], about)


def _place(source: Source, cache: Path) -> tuple[dict[str, Any], Path]:
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{cache}: cannot keep the packed screen here ({error}); choose another folder") from error
    if not os.access(cache, os.W_OK | os.X_OK):
        raise InputError(f"{cache}: cannot write the packed screen here; choose another folder")
    with remembering(cache / "sources.json"):
        key = source.key()
    text = json.dumps({"format": FORMAT, **key}, sort_keys=True)
    return key, cache / hashlib.sha256(text.encode()).hexdigest()[:32]


def _checked(folder: Path) -> Profiles:
    read_truth(folder)
    return open_store(folder)


def _put(temporary: Path, folder: Path) -> None:
    """Rename into place; what another process put there meanwhile is kept if it is whole."""
    if folder.exists():
        try:
            _checked(folder)
        except DamagedStoreError:
            damaged = temporary.with_name(f"{temporary.name}.damaged")
            folder.rename(damaged)
            shutil.rmtree(damaged)
        else:
            return
    try:
        temporary.rename(folder)
    except OSError:
        if not folder.exists():
            raise


def _map(path: Path, shape: tuple[int, int]) -> Floats:
    """The npy file ``path`` as a read-only map; its size must be that of its header and ``shape`` of float32."""
    X = ReadAhead(path)
    if X.shape != shape or X.dtype != np.float32 or not X.flags.c_contiguous:
        raise DamagedStoreError(f"{path}: holds {X.dtype} {X.shape}; expected float32 {shape}")
    if path.stat().st_size != X.offset + X.nbytes:
        raise DamagedStoreError(f"{path}: has {path.stat().st_size} bytes; expected {X.offset + X.nbytes}")
    return cast(Floats, X)
