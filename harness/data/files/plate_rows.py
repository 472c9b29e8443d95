"""Rows of a screen in the order of its files, iterated plate by plate."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.core.arrays import Floats
from harness.data.columns import missing_values


class PlateRows:
    """Rows of a screen: stacked arrays ``parts``, (n_i, n_features) float32, aligned with ``wells`` (n rows).

    Rows of a plate may lie in several parts. Only the plate that is returned is copied.
    """

    def __init__(
        self, *, source: str, features: list[str], parts: list[Floats], wells: pd.DataFrame, on_missing: str
    ) -> None:
        self.source = source
        self.parts = parts
        self.wells = wells
        self.on_missing = on_missing
        self._all_features = features
        self._usable = missing_values.usable(parts, features, on_missing=on_missing, source=source)

    @cached_property
    def features(self) -> list[str]:
        """Names of the features that :mod:`harness.data.columns.missing_values` does not drop."""
        return [name for name, is_usable in zip(self._all_features, self._usable, strict=True) if is_usable]

    def plates(self) -> Iterator[tuple[Floats, pd.DataFrame]]:
        """Yield ``(X, wells)`` of each plate, in order of first appearance, its rows in their order.

        Raises
        ------
        InputError : a feature that should be imputed has no value on a plate.
        """
        codes, names = pd.factorize(self.wells["plate"])
        order = np.argsort(codes, kind="stable")
        ends = np.cumsum(np.bincount(codes, minlength=len(names)))
        for plate, begin, end in zip(names, np.r_[0, ends[:-1]], ends, strict=True):
            rows = order[begin:end]
            X = self._gather(rows)
            if not self._usable.all():
                X = X[:, self._usable]
            if self.on_missing == "impute_plate_median":
                X = missing_values.impute(X, self.features, plate=str(plate), source=self.source)
            yield X, self.wells.iloc[rows].reset_index(drop=True)

    def _gather(self, rows: NDArray[np.intp]) -> Floats:
        """Copy ``rows`` (ascending) of the stacked parts."""
        starts = np.cumsum([0, *(len(part) for part in self.parts)])
        pieces = []
        for part, start, end in zip(self.parts, starts[:-1], starts[1:], strict=True):
            rows_of_part = rows[(rows >= start) & (rows < end)] - start
            if len(rows_of_part):
                whole = rows_of_part[-1] - rows_of_part[0] + 1 == len(rows_of_part)
                pieces.append(part[rows_of_part[0] : rows_of_part[-1] + 1] if whole else part[rows_of_part])
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


class RowsReader:
    """Base class of readers: offers the rows as a source (:mod:`harness.store.source`) without planted truth."""

    @cached_property
    def _rows(self) -> PlateRows:
        raise NotImplementedError

    def features(self) -> list[str]:
        return self._rows.features

    def plates(self) -> Iterator[tuple[Floats, pd.DataFrame, None]]:
        for X, wells in self._rows.plates():
            yield X, wells, None

    def tables(self) -> dict[str, pd.DataFrame]:
        return {}
