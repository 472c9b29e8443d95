"""Cache of results in memory: the only one that profiles, tables of wells and models use."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar, cast

Made = TypeVar("Made")
_ABSENT = object()


class ResultCache:
    """Results by key, each computed once and kept as long as the owner of the cache lives; not pickled.

    Threads that ask for the same key at the same time may both compute it. Results must not be changed by callers.

    Parameters
    ----------
    size : number of results that are kept, the latest; None for all of them.
    """

    def __init__(self, size: int | None = None) -> None:
        self._size = size
        self._results: dict[Hashable, Any] = {}

    def get(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """Return ``make()``, computed once for ``key``."""
        result = self._results.get(key, _ABSENT)
        if result is _ABSENT:
            result = make()
            while self._size is not None and len(self._results) >= self._size:
                del self._results[next(iter(self._results))]
            result = self._results.setdefault(key, result)
        return cast(Made, result)

    def __getstate__(self) -> dict[str, Any]:
        """Return the state of an empty cache: another process computes its own results."""
        return {"_size": self._size, "_results": {}}
