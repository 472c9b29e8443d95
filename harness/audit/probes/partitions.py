"""Ways to deal plates into batches: which are distinct, how many there are, and a draw of them."""

from __future__ import annotations

from collections import Counter
from math import factorial, prod

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.intp]


def n_partitions(batch: Codes) -> int:
    """Return in how many other ways the plates can be dealt into batches of the same sizes.

    Batches of equal size have no names: 4 plates in two pairs can be paired in two other ways.

    Parameters
    ----------
    batch : (Q,) 0..B-1, the batch of each plate.
    """
    sizes = np.bincount(batch).tolist()
    ways = factorial(len(batch)) // prod(factorial(size) for size in sizes)
    return ways // prod(factorial(times) for times in Counter(sizes).values()) - 1


def distinct_partitions(batch: Codes, n: int, rng: np.random.Generator) -> list[Codes]:
    """Draw up to ``n`` partitions, all distinct, none of them the true one; fewer if there are no more.

    Returns
    -------
    Each (Q,) 0..B-1, with as many plates in every batch as in ``batch``.
    """
    seen = {_canonical(batch)}
    n = min(n, n_partitions(batch))
    partitions: list[Codes] = []
    while len(partitions) < n:
        draw = rng.permutation(batch)
        key = _canonical(draw)
        if key not in seen:
            seen.add(key)
            partitions.append(draw)
    return partitions


def deal_folds(batch: Codes, n_folds: int, rng: np.random.Generator) -> Codes:
    """Deal plates over folds, each batch's as evenly as their number allows: (Q,) number of the fold.

    Every fold leaves plates of every batch to train on, if each batch has two.
    """
    fold = np.zeros(len(batch), dtype=np.intp)
    for number in range(int(batch.max()) + 1):
        plates = rng.permutation(np.flatnonzero(batch == number))
        fold[plates] = np.arange(len(plates)) % min(n_folds, len(plates))
    return fold


def _canonical(batch: Codes) -> tuple[int, ...]:
    """Number batches by their first plate, so that equal partitions are equal."""
    names: dict[int, int] = {}
    return tuple(names.setdefault(int(b), len(names)) for b in batch)
