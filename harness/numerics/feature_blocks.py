"""Blocks of features in which the values of a feature lie next to each other, so that they sort fast."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.core.arrays import Floats

_BLOCK_BYTES = 1 << 18  # two copies of a block stay in the second-level cache
_NARROWEST = 16  # float32 that are read from memory together


def by_feature(X: Floats, width: int | None = None) -> Iterator[tuple[slice, Floats]]:
    """Yield blocks of at most ``width`` columns of X (n, G), (width, n) each, contiguous copies, and their columns.

    ``width`` is by default what stays in cache. In two steps: at row lengths of a power of two, such as 4,096 features,
    the values of one column compete for the same few places of the cache, and a plain transposition takes several times
    as long.
    """
    if width is None:
        width = max(_NARROWEST, _BLOCK_BYTES // (4 * max(1, len(X))))
    for start in range(0, X.shape[1], width):
        block = slice(start, min(start + width, X.shape[1]))
        yield block, np.ascontiguousarray(X[:, block]).T.copy()
