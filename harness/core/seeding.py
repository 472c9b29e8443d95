"""Seeds derived from named axes, so that no draw depends on the order or the number of other draws."""

from __future__ import annotations

import hashlib

import numpy as np


def derive(*axes: object) -> int:
    """Return a 64-bit seed from named axes, e.g. ``derive(0, "bootstrap", batch)``; equal axes give equal seeds."""
    text = "\x1f".join(str(axis) for axis in axes)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def generator(*axes: object) -> np.random.Generator:
    """Return a random generator seeded by named axes."""
    return np.random.default_rng(derive(*axes))
