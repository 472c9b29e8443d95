"""Protocol of a source: a screen that a reader offers to the store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol, runtime_checkable

import pandas as pd

from harness.core.arrays import Floats


class Source(Protocol):
    """Screen that can be packed.

    ``key()``: JSON-able, equal if and only if the packed content would be equal. ``plates()``: one plate at a
    time, ``(X, wells, planted)`` with X (n, n_features) and, for a simulated screen, its batch-free truth of the
    same shape. ``tables()``: further tables of the truth, by name.
    """

    @property
    def name(self) -> str: ...

    def key(self) -> dict[str, Any]: ...

    def features(self) -> list[str]: ...

    def plates(self) -> Iterator[tuple[Floats, pd.DataFrame, Floats | None]]: ...

    def tables(self) -> dict[str, pd.DataFrame]: ...


@runtime_checkable
class Sized(Protocol):
    """Source that knows, before it is read, how many bytes its packed arrays take (about, and not less)."""

    def n_bytes(self) -> int: ...


def packed_bytes(source: Source) -> int:
    """Return the number of bytes that the packed ``source`` takes; 0 if it cannot tell."""
    return source.n_bytes() if isinstance(source, Sized) else 0
