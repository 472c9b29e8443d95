"""Work of several threads, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
WORKERS = 2


def ordered(
    pool: ThreadPoolExecutor, work: Callable[[Item], Result], items: Iterable[Item], ahead: int
) -> Iterator[Result]:
    """Yield ``map`` that keeps the order and never runs more than ``ahead`` items in front of the consumer."""
    source = iter(items)
    waiting = [pool.submit(work, item) for item in islice(source, ahead)]
    while waiting:
        done = waiting.pop(0).result()
        waiting.extend(pool.submit(work, item) for item in islice(source, 1))
        yield done
