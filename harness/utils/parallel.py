"""Threads of one task: how many, and their results in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from harness.utils.cpu_count import cores

Item = TypeVar("Item")
Result = TypeVar("Result")
_MOST_THREADS = 2  # plates, blocks or models that are in memory at the same time


def n_threads() -> int:
    """Return the number of threads for one task: two, or one if the process may use a single core."""
    return min(_MOST_THREADS, cores())


def ordered(
    pool: ThreadPoolExecutor, work: Callable[[Item], Result], items: Iterable[Item], ahead: int
) -> Iterator[Result]:
    """Yield the results of ``work`` in the order of ``items``, with at most ``ahead`` computed before they are used."""
    remaining = iter(items)
    pending = [pool.submit(work, item) for item in islice(remaining, ahead)]
    while pending:
        result = pending.pop(0).result()
        pending.extend(pool.submit(work, item) for item in islice(remaining, 1))
        yield result
