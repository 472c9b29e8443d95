"""Products of pairs of rows, e.g. their cosine or Pearson correlation."""

from __future__ import annotations

import numpy as np

from harness.audit.replicate.selection import Ints
from harness.core.arrays import Doubles, Floats

BLOCK = 4096  # pairs of profiles at a time: 16 MB at 512 features


def pair_products(Z: Floats, a: Ints, b: Ints, *, block: int = BLOCK) -> Doubles:
    """Return the scalar product of rows ``a`` and ``b`` (n_pairs,) of Z, pair by pair, (n_pairs,)."""
    products = np.empty(len(a))
    for start in range(0, len(a), block):
        pairs = slice(start, start + block)
        np.einsum("ij,ij->i", Z[a[pairs]], Z[b[pairs]], out=products[pairs], dtype=np.float64)
    return products
