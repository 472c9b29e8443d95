"""Protocol of a cache of the aggregated wells of a screen of images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, Protocol

import pandas as pd

from harness.core.arrays import Floats

ArrayName = Literal["features", "planted"]  # which array of the profiles was aggregated


class AggregateCache(Protocol):
    """Aggregated wells of one screen, computed once per array and key; a packed screen has one on disk."""

    def load_or_compute(
        self,
        plates: Callable[[], Iterator[Floats]],
        *,
        array: ArrayName,
        wells: pd.DataFrame,
        n_features: int,
        key: str,
    ) -> Floats:
        """Return the wells of ``array``, (n_wells, n_features), read-only; computed if ``key`` is not cached yet.

        Parameters
        ----------
        plates : yields the wells of each plate, (n, n_features), in the order of ``wells``.
        wells : table of the wells, n_wells rows.
        key : names the aggregation; equal keys give equal values.
        """
        ...
