"""Plates of a screen that are read one at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, Self, TypeVar, overload

import numpy as np
import pandas as pd

from harness.core.arrays import Mask
from harness.core.exceptions import InputError
from harness.core.plate import Plate
from harness.core.result_cache import ResultCache
from harness.core.well_facts import WellFacts

Made = TypeVar("Made")


class PlateSequence(Sequence[Plate], ABC):
    """Plates of a screen; a plate's rows are only read when the plate is needed, and a view may hide rows.

    Subclasses say how a plate is read: :class:`harness.core.profiles.Profiles` from an array,
    :class:`harness.norm.engine.stage.TransformedProfiles` through stages of a normalization.

    Attributes
    ----------
    facts : all wells, hidden ones too, and facts of them.
    plate_slices : the rows of each plate, hidden ones too.
    features : names of the features.
    """

    def __init__(self, facts: WellFacts, features: Sequence[str], mask: Mask | None = None) -> None:
        self.facts = facts
        self.features = tuple(features)
        self.plate_slices: list[slice] = facts.cached("plate slices", lambda: _contiguous(facts.table["plate"]))
        self._mask = mask
        self._origin: PlateSequence | None = None
        self._cache = ResultCache()

    @abstractmethod
    def _read(self, rows: slice, visible: Mask | None) -> Plate:
        """Return the plate that takes ``rows``, without the rows that ``visible`` (n_rows of it,) hides."""

    @property
    def wells(self) -> pd.DataFrame:
        """The table of all wells, hidden ones too."""
        return self.facts.table

    @property
    def hides_rows(self) -> bool:
        """Whether this is a view made by :meth:`where` or :meth:`by_batch`."""
        return self._mask is not None

    def shows_all_of(self, rows: slice) -> bool:
        """Return whether no row of a plate is hidden."""
        return self._mask is None or bool(self._mask[rows].all())

    def plate_at(self, rows: slice) -> Plate | None:
        """Return the visible wells of the plate that takes ``rows``; None if all are hidden."""
        visible = None if self._mask is None or self._mask[rows].all() else self._mask[rows]
        if visible is not None and not visible.any():
            return None
        return self._read(rows, visible)

    @property
    def visible_slices(self) -> list[slice]:
        """The rows of each plate that has visible wells."""
        if self._mask is None:
            return self.plate_slices
        return [rows for rows in self.plate_slices if self._mask[rows].any()]

    def __len__(self) -> int:
        return len(self.visible_slices)

    @overload
    def __getitem__(self, index: int) -> Plate: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Plate]: ...
    def __getitem__(self, index: int | slice) -> Plate | Sequence[Plate]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        plate = self.plate_at(self.visible_slices[index])
        assert plate is not None
        return plate

    def __iter__(self) -> Iterator[Plate]:
        for rows in self.visible_slices:
            plate = self.plate_at(rows)
            assert plate is not None
            yield plate

    def where(self, mask: Mask) -> Self:
        """Return the same plates restricted to the rows of ``mask`` (n_rows,); nothing is copied until read.

        Plates that lose every row disappear. ``wells`` still holds all rows: iterate over plates.
        """
        mask = np.asarray(mask, dtype=bool)
        if mask.shape != (len(self.wells),):
            raise InputError(f"where: mask has shape {mask.shape}; expected ({len(self.wells)},)")
        view = self._view()
        view._mask = mask if self._mask is None else mask & self._mask
        return view

    def by_batch(self) -> dict[str, Self]:
        """Return one view per batch, in order of first appearance."""
        batch = self.wells["batch"].to_numpy()
        visible = batch if self._mask is None else batch[self._mask]
        return {str(b): self.where(batch == b) for b in pd.unique(visible)}

    def _view(self) -> Self:
        """Return a shallow copy with a cache of its own."""
        view = object.__new__(type(self))
        view.__dict__.update(self.__dict__)
        view._origin = self.origin
        view._cache = ResultCache()
        return view

    @property
    def origin(self) -> PlateSequence:
        """The plates that this is a view of; itself if it is none."""
        return self if self._origin is None else self._origin

    def cached(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """Return ``make()``, computed once for ``key`` and kept as long as these plates live.

        A view has a cache of its own; :attr:`origin` has one that all views share.
        """
        return self._cache.get(key, make)

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for another process, without references to larger objects."""
        return {**self.__dict__, "_origin": None}


def _contiguous(plate: pd.Series[Any]) -> list[slice]:
    """Return row ranges of the plates; refuses a plate whose rows are interleaved with another's."""
    codes = pd.factorize(plate)[0]
    if len(codes) == 0:
        return []
    starts = np.r_[0, np.flatnonzero(np.diff(codes)) + 1]
    ends = np.r_[starts[1:], len(codes)]
    names = plate.to_numpy()[starts]
    if len(set(names)) < len(names):
        repeated = pd.Series(names)
        culprit = repeated[repeated.duplicated()].iloc[0]
        raise InputError(f"plate {culprit!r} is interleaved with other plates: sort the rows by plate")
    return [slice(int(a), int(b)) for a, b in zip(starts, ends, strict=True)]
