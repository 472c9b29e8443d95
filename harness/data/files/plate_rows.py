"""Rows of a screen as they were read, handed out plate by plate."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.core.arrays import Floats
from harness.data.columns import missing_values


class PlateRows:
    """``parts``: arrays (n_i, n_features), float32, that stand one above the other beside ``wells`` (n rows).

    Rows of a plate may lie in several parts. Nothing is copied but the plate that is being handed out.
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
    def kept(self) -> list[str]:
        """Names of the features that :mod:`harness.data.columns.missing_values` leaves."""
        return [name for name, keep in zip(self._all_features, self._usable, strict=True) if keep]

    def plates(self) -> Iterator[tuple[Floats, pd.DataFrame]]:
        """Yield ``(X, wells)`` of each plate, in order of first appearance, rows as given.

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
                X = missing_values.impute(X, self.kept, plate=str(plate), source=self.source)
            yield X, self.wells.iloc[rows].reset_index(drop=True)

    def _gather(self, rows: NDArray[np.intp]) -> Floats:
        """Return ``rows`` (ascending) of the stacked parts."""
        starts = np.cumsum([0, *(len(part) for part in self.parts)])
        pieces = []
        for part, start, end in zip(self.parts, starts[:-1], starts[1:], strict=True):
            here = rows[(rows >= start) & (rows < end)] - start
            if len(here):
                whole = here[-1] - here[0] + 1 == len(here)
                pieces.append(part[here[0] : here[-1] + 1] if whole else part[here])
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


class RowsReader:
    """Offer the rows that a reader has read as a source (:mod:`harness.store.source`) without planted truth."""

    @cached_property
    def _rows(self) -> PlateRows:
        raise NotImplementedError

    def features(self) -> list[str]:
        return self._rows.kept

    def plates(self) -> Iterator[tuple[Floats, pd.DataFrame, None]]:
        for X, wells in self._rows.plates():
            yield X, wells, None

    def tables(self) -> dict[str, pd.DataFrame]:
        return {}
