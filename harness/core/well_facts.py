"""A table of wells with the facts that follow from it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.core.arrays import Mask
from harness.core.result_cache import ResultCache

Made = TypeVar("Made")
Scalar = TypeVar("Scalar", bound=np.generic)


class WellFacts:
    """The wells of a screen or of a plate, and facts of them that are computed once.

    Audits normalize the same wells dozens of times. Profiles with other features of the same wells share this object
    (:meth:`harness.core.profiles.Profiles.replace`), and so do the plates of both.

    Parameters
    ----------
    table : the wells, index 0..n-1; must not be changed in place.
    """

    def __init__(self, table: pd.DataFrame) -> None:
        self.table = table
        self._cache = ResultCache()

    def cached(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """Return ``make()``, computed once for ``key`` from nothing but the table and the values in ``key``."""
        return self._cache.get(key, make)

    def has_role(self, role: str) -> Mask:
        """Return the rows of a role, (n_rows,), read-only."""
        return self.cached(("role", role), lambda: has_role(self.table, role))

    def of_plate(self, rows: slice) -> WellFacts:
        """Return the wells of the plate that takes these rows: the same object each time."""
        key = "plate", rows.start, rows.stop
        return self.cached(key, lambda: WellFacts(self.table.iloc[rows].reset_index(drop=True)))

    def with_columns(self, columns: Sequence[str]) -> WellFacts:
        """Return the wells without other columns than ``columns``: the same object for the same columns."""
        present = tuple(str(column) for column in self.table if column in columns)
        if len(present) == self.table.shape[1]:
            return self
        return self.cached(("columns", present), lambda: WellFacts(self.table[list(present)]))


def has_role(wells: pd.DataFrame, role: str) -> Mask:
    """Return the rows of a role, (n_rows,), read-only."""
    return read_only((wells["role"] == role).to_numpy(dtype=bool))


def read_only(array: NDArray[Scalar]) -> NDArray[Scalar]:
    """Return the array itself, made read-only because a cache shares it."""
    array.flags.writeable = False
    return array
