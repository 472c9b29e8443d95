"""Sorting many short lists at once: element i of every list is one array, and arrays are exchanged as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray


def sort(lists: NDArray[Any]) -> list[NDArray[Any]]:
    """Return arrays of the smallest, the next ... element of each list; ``lists`` (length, ...) is overwritten."""
    return _exchange(lists, merge_exchange(len(lists)))


def merge_lowest(lists: NDArray[Any], others: NDArray[Any]) -> list[NDArray[Any]]:
    """Return the lowest 2^b elements of two ascending lists of 2^b together, ascending; ``lists`` is overwritten.

    Batcher 1968, "Sorting networks and their applications", AFIPS 32: of one list forwards and the other backwards
    the lower of each pair are these elements, in an order that rises and falls, and b rounds sort such an order.
    """
    n = len(lists)
    np.minimum(lists, others[::-1], out=lists)
    distances = [n >> i for i in range(1, n.bit_length())]
    return _exchange(lists, [(i, i + d) for d in distances for i in range(n) if not i & d])


def _exchange(lists: NDArray[Any], pairs: Iterable[tuple[int, int]]) -> list[NDArray[Any]]:
    """Order each pair of elements, one pair after the other."""
    element = list(lists)
    free = np.empty(lists.shape[1:], dtype=lists.dtype)
    for i, j in pairs:
        np.minimum(element[i], element[j], out=free)
        np.maximum(element[i], element[j], out=element[j])
        element[i], free = free, element[i]
    return element


@cache
def merge_exchange(n: int) -> tuple[tuple[int, int], ...]:
    """Return pairs that sort n elements (Knuth, "Sorting and searching", algorithm 5.2.2 M)."""
    return tuple(_rounds(n))


def _rounds(n: int) -> Iterator[tuple[int, int]]:
    p = top = 1 << max(0, (n - 1).bit_length() - 1)
    while p and n > 1:
        q, r, d = top, 0, p
        while True:
            yield from ((i, i + d) for i in range(n - d) if i & p == r)
            if q == p:
                break
            d, q, r = q - p, q >> 1, p
        p >>= 1
