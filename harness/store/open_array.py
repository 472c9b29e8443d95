"""An array of a store folder, opened as what the folder's description says of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from harness.core.exceptions import CorruptedStoreError
from harness.store.checksums import Checksums
from harness.store.manifest import as_corruption_error
from harness.store.readahead_memmap import ReadaheadMemmap

AT_ONCE = 1 << 28  # an array of at most so many bytes is compared with its checksums when it is opened


def open_array(folder: Path, name: str, about: Mapping[str, Any]) -> ReadaheadMemmap:
    """Return the npy file ``name``, read-only, of the shape that ``about`` gives, float32.

    A plate of a large array is compared with its checksum when it is asked for.

    Raises
    ------
    CorruptedStoreError : absent, unreadable, of another shape or size, or changed after it was written.
    """
    path = folder / name
    with as_corruption_error(path):
        shape = (int(about["shape"][0]), int(about["shape"][1]))
        sums = about["checksums"][name] if "checksums" in about else None  # an earlier version wrote none
        checksums = None if sums is None else Checksums(path, about["plates"], about["ends"], sums)
        X = ReadaheadMemmap(path, checksums)
    if X.shape != shape or X.dtype != np.float32 or not X.flags.c_contiguous:
        raise CorruptedStoreError(f"{path}: holds {X.dtype} {X.shape}; expected float32 {shape}")
    if checksums is not None and X.nbytes <= AT_ONCE:
        checksums.check(X.view(np.ndarray), ...)
    return X
