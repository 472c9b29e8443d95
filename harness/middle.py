"""The middle values of a few images of a well, by a network of minima and maxima.

At 6 images x 4,096 features a streaming pass would spend more time in ``np.median`` than in reading from disk.
"""

from __future__ import annotations

import numpy as np

from harness.types import Floats

_BLOCK_BYTES = 1 << 19  # sites of one block stay in the second-level cache
_NETWORK_LIMIT = 24  # beyond this many sites a partition is faster than the network


def _comparators(n: int) -> tuple[list[tuple[int, int]], list[int]]:
    """Pairs of n inputs to be ordered one after the other, and the one or two positions that then hold the middle.

    Forgetful selection: of n // 2 + 2 values the lowest and the highest are not in the middle of n; they are replaced
    by the next input until none is left (McGuire 2008, "A fast, small-radius GPU median filter", ShaderX6).
    """
    pairs = []
    window, rest = list(range(n // 2 + 2))[:n], list(range(n // 2 + 2, n))
    while len(window) > 2 - n % 2:
        m = len(window)
        pairs += [(window[i], window[m - 1 - i]) for i in range(m // 2)]
        pairs += [(window[0], window[i]) for i in range(1, (m + 1) // 2)]
        pairs += [(window[i], window[-1]) for i in range(m // 2, m - 1)]
        window = window[1:-1] + rest[:1]
        rest = rest[1:]
    return pairs, window


def _network(n: int) -> tuple[list[tuple[int, int, bool, bool]], list[int]]:
    """:func:`_comparators`, each with whether its lower and its higher output are ever needed."""
    pairs, middle = _comparators(n)
    needed, network = set(middle), []
    for i, j in reversed(pairs):
        network.append((i, j, i in needed, j in needed))
        needed |= {i, j}
    return network[::-1], middle


def middle(stack: Floats) -> Floats:
    """The middle two over axis 1 of (n_wells, n_sites, n_features), (n_wells, 2, n_features); the middle one twice."""
    n_wells, n, n_features = stack.shape
    ranks = [(n - 1) // 2, n // 2]
    if n > _NETWORK_LIMIT:
        return np.partition(stack, ranks, axis=1)[:, ranks]
    out = np.empty((n_wells, 2, n_features), dtype=np.float32)
    network, last = _network(n)
    step = max(1, _BLOCK_BYTES // (n * n_features * 4))
    work = np.empty((n + 1, step, n_features), dtype=np.float32)
    for start in range(0, n_wells, step):
        block = stack[start : start + step]
        work[:n, : len(block)] = block.transpose(1, 0, 2)
        *site, free = work[:, : len(block)]
        for i, j, lower, higher in network:
            if lower and higher:
                np.minimum(site[i], site[j], out=free)
                np.maximum(site[i], site[j], out=site[j])
                site[i], free = free, site[i]
            elif lower:
                np.minimum(site[i], site[j], out=site[i])
            else:
                np.maximum(site[i], site[j], out=site[j])
        for side in (0, -1):
            out[start : start + step, side] = site[last[side]]
    return out


def halfway(pairs: Floats) -> Floats:
    """Mean over axis 1 of (n_wells, 2, n_features): the median, from the two middle values."""
    out: Floats = pairs[:, 0] + pairs[:, 1]
    out *= np.float32(0.5)
    return out
