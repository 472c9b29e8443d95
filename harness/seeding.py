"""Seeds derived from named axes, so that no draw depends on the order or the number of other draws."""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


def derive(*axes: object) -> int:
    """A 64-bit seed from named axes, e.g. ``derive(0, "bootstrap", batch)``; equal axes give equal seeds."""
    text = "\x1f".join(str(axis) for axis in axes)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def generator(*axes: object) -> np.random.Generator:
    """A random generator seeded by named axes."""
    return np.random.default_rng(derive(*axes))


@lru_cache(maxsize=1024)
def derive_each(axes: tuple[object, ...], names: tuple[str, ...]) -> NDArray[np.uint64]:
    """``derive(*axes, name)`` for each name, (n_names,), read-only; kept for the next time."""
    seeds = np.array([derive(*axes, name) for name in names], dtype=np.uint64)
    seeds.flags.writeable = False
    return seeds
