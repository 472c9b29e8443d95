"""The middle values of a few images of a well, by a network of minima and maxima.

At 6 images x 4,096 features a streaming pass would spend more time in ``np.median`` than in reading from disk.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from harness.core.arrays import Floats
from harness.numerics.sorting_network import merge_exchange

_BLOCK_BYTES = 1 << 19  # sites of one block stay in the second-level cache
_NETWORK_LIMIT = 24  # beyond this many sites a partition is faster than the network


def _comparators(n: int) -> tuple[list[tuple[int, int]], list[int]]:
    """Return pairs of n inputs to be ordered one after the other, and the one or two positions of the middle.

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


@cache
def _network(n: int) -> tuple[list[tuple[int, int, bool, bool]], list[int]]:
    """Return the cheaper of :func:`_comparators` and a sort, and the positions of the middle: see :func:`_needed`."""
    ways = [_comparators(n), (list(merge_exchange(n)), sorted({(n - 1) // 2, n // 2}))]
    networks = [(_needed(pairs, middle), middle) for pairs, middle in ways]
    return min(networks, key=lambda way: sum(lower + higher for *_, lower, higher in way[0]))


def _needed(pairs: list[tuple[int, int]], middle: list[int]) -> list[tuple[int, int, bool, bool]]:
    """Return the pairs of which an output is needed later, each with whether its lower and its higher output is."""
    needed, network = set(middle), []
    for i, j in reversed(pairs):
        if i in needed or j in needed:
            network.append((i, j, i in needed, j in needed))
            needed |= {i, j}
    return network[::-1]


def middle(stack: Floats) -> Floats:
    """Return the middle two over axis 1 of (n_wells, n_sites, n_features), (n_wells, 2, n_features); or one twice."""
    n_wells, n, n_features = stack.shape
    ranks = [(n - 1) // 2, n // 2]
    if n > _NETWORK_LIMIT:
        return np.partition(stack, ranks, axis=1)[:, ranks]
    out = np.empty((n_wells, 2, n_features), dtype=np.float32)
    step = max(1, _BLOCK_BYTES // (n * n_features * 4))
    work = np.empty((n, step, n_features), dtype=np.float32)
    for start in range(0, n_wells, step):
        block = stack[start : start + step]
        sites = work[:, : len(block)]
        sites[:] = block.transpose(1, 0, 2)
        for side, value in enumerate(_run(sites)):
            out[start : start + step, side] = value
    return out


def _run(sites: Floats) -> tuple[Floats, Floats]:
    """Return the middle two over axis 0 of (n_sites, ...), which is overwritten."""
    network, last = _network(len(sites))
    site, free = list(sites), np.empty(sites.shape[1:], dtype=np.float32)
    for i, j, lower, higher in network:
        if lower and higher:
            np.minimum(site[i], site[j], out=free)
            np.maximum(site[i], site[j], out=site[j])
            site[i], free = free, site[i]
        elif lower:
            np.minimum(site[i], site[j], out=site[i])
        else:
            np.maximum(site[i], site[j], out=site[j])
    return site[last[0]], site[last[-1]]


def median_of_first(stack: Floats) -> Floats:
    """Return the median over axis 0 of (n, ...), which is overwritten."""
    n = len(stack)
    if n > _NETWORK_LIMIT:
        stack.partition([(n - 1) // 2, n // 2], axis=0)
        low, high = stack[(n - 1) // 2], stack[n // 2]
    else:
        low, high = _run(stack)
    out: Floats = low + high
    out *= np.float32(0.5)
    return out


def halfway(pairs: Floats) -> Floats:
    """Return the mean over axis 1 of (n_wells, 2, n_features): the median, from the two middle values."""
    out: Floats = pairs[:, 0] + pairs[:, 1]
    out *= np.float32(0.5)
    return out
