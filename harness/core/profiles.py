"""Plates of profiles.

A *profile* is one row of image features, of a site (image) or of a well. Rows of a plate are contiguous.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

import numpy as np
import pandas as pd

from harness.core.aggregate_cache import AggregateCache
from harness.core.arrays import Floats, Mask
from harness.core.exceptions import InputError
from harness.core.memoize import remembered
from harness.core.wells_schema import REQUIRED, ROLES, unknown_roles

if TYPE_CHECKING:
    from collections.abc import Iterator


Made = TypeVar("Made")


@remembered
def has_role(wells: pd.DataFrame, role: str) -> Mask:
    """Return rows of a role, (n_rows,), read-only."""
    mask = (wells["role"] == role).to_numpy(dtype=bool)
    mask.flags.writeable = False
    return cast(Mask, mask)


@dataclass(frozen=True)
class Plate:
    """One plate: ``X`` (n, n_features) float32, ``wells`` (n rows, index 0..n-1), no task labels.

    ``rows`` is where the plate's rows stand in the profiles that it came from. ``planted`` is the batch-free
    truth of a simulated screen, (n, n_features), or None.
    """

    name: str
    rows: slice
    X: Floats
    wells: pd.DataFrame
    planted: Floats | None = None

    @property
    def negcon(self) -> Mask:
        """Rows of negative control wells."""
        return has_role(self.wells, "negcon")

    @property
    def filled(self) -> Mask:
        """Rows of wells that hold cells on purpose: all but ``empty``."""
        return ~has_role(self.wells, "empty")


class Profiles(Sequence[Plate]):
    """Profiles of a screen as a sequence of plates; rows are only read when a plate is asked for.

    Parameters
    ----------
    X : array (n_rows, n_features), float32; may be a read-only memory map.
    wells : table of n_rows, of the schema :data:`harness.core.wells_schema.COLUMNS`.
    features : the n_features feature names (default ``f0, f1, ...``).
    planted : batch-free truth of a simulated screen, same shape as X, or None.
    name : what to call the data in titles.
    fingerprint : identifies the content; empty where it has not been computed.
    well_cache : where the aggregated wells of these images are cached; None if they are computed anew.

    Attributes
    ----------
    rescaled : the same wells in other units: each of their features was shifted and multiplied by a positive number to
        give these, so that correlations are alike; None where that is not known.

    Raises
    ------
    InputError : lengths differ, a plate's rows are not contiguous, a role is unknown, a plate has two batches.
    """

    def __init__(
        self,
        X: Floats,
        wells: pd.DataFrame,
        *,
        features: Sequence[str] | None = None,
        planted: Floats | None = None,
        name: str = "profiles",
        fingerprint: str = "",
        well_cache: AggregateCache | None = None,
    ) -> None:
        if X.ndim != 2 or len(X) != len(wells):
            raise InputError(f"profiles: X has shape {X.shape}, wells has {len(wells)} rows; expected the same")
        missing = [column for column in REQUIRED if column not in wells]
        if missing:
            raise InputError(f"profiles: wells lacks the columns {missing}; found {list(wells.columns)}")
        self.X = X
        self.wells = wells.reset_index(drop=True)
        self.features = tuple(features) if features is not None else tuple(f"f{i}" for i in range(X.shape[1]))
        self.planted = planted
        self.name = name
        self.fingerprint = fingerprint
        self.well_cache = well_cache
        if len(self.features) != X.shape[1]:
            raise InputError(f"profiles: {len(self.features)} feature names for {X.shape[1]} features")
        if unknown := unknown_roles(self.wells):
            raise InputError(f"profiles: unknown roles {unknown}; allowed are {list(ROLES)}")
        self.rescaled: Profiles | None = None
        self._plates = _contiguous(self.wells["plate"])
        self._tables: dict[int, pd.DataFrame] = {}
        self._facts: dict[tuple[str, str], Any] = {}  # (what, plate or method): made from X once
        self._views: dict[tuple[str, ...], tuple[pd.DataFrame, dict[int, pd.DataFrame]]] = {}  # of some columns
        self._cached: dict[Hashable, Any] = {}
        self._mask: Mask | None = None
        batches = self.wells.groupby("plate", sort=False)["batch"].nunique(dropna=False)
        if (batches > 1).any():
            plate = batches.index[batches > 1][0]
            found = sorted(self.wells.loc[self.wells["plate"] == plate, "batch"].astype(str).unique())
            raise InputError(f"plate {plate!r} lies in {len(found)} batches {found}; a plate belongs to one batch")

    @classmethod
    def from_frame(cls, df: pd.DataFrame, **mapping: Any) -> Profiles:
        """Deprecated: call :func:`harness.profiles_from_frame`."""
        warnings.warn("Profiles.from_frame is deprecated: use harness.profiles_from_frame", DeprecationWarning, 2)
        profiles: Profiles = import_module("harness").profiles_from_frame(df, **mapping)
        return profiles

    def _select(self, rows: slice) -> Plate | None:
        keep = None if self._mask is None else self._mask[rows]
        if keep is not None and not keep.any():
            return None
        wells, shown = self._table(rows), rows
        if keep is not None and not keep.all():  # by their numbers: what is not shown is not read from the disk
            wells, shown = wells[keep].reset_index(drop=True), rows.start + np.flatnonzero(keep)
        planted = None if self.planted is None else self.planted[shown]
        return Plate(str(wells["plate"].iloc[0]), rows, self.X[shown], wells, planted)

    def _table(self, rows: slice) -> pd.DataFrame:
        """Return the wells of a plate: the same object whenever it is asked for, shared by :meth:`replace`."""
        if rows.start not in self._tables:
            self._tables[rows.start] = self.wells.iloc[rows].reset_index(drop=True)
        return self._tables[rows.start]

    @property
    def _present(self) -> list[slice]:
        if self._mask is None:
            return self._plates
        return [rows for rows in self._plates if self._mask[rows].any()]

    def __len__(self) -> int:
        return len(self._present)

    @overload
    def __getitem__(self, index: int) -> Plate: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Plate]: ...
    def __getitem__(self, index: int | slice) -> Plate | Sequence[Plate]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        plate = self._select(self._present[index])
        assert plate is not None
        return plate

    def __iter__(self) -> Iterator[Plate]:
        for rows in self._present:
            plate = self._select(rows)
            assert plate is not None
            yield plate

    def where(self, mask: Mask) -> Profiles:
        """Return the same profiles restricted to the rows of ``mask`` (n_rows,); nothing is copied until read.

        Plates that lose every row disappear. ``X`` and ``wells`` still hold all rows: iterate over plates.
        """
        mask = np.asarray(mask, dtype=bool)
        if mask.shape != (len(self.wells),):
            raise InputError(f"where: mask has shape {mask.shape}; expected ({len(self.wells)},)")
        view = Profiles.__new__(Profiles)
        view.__dict__.update(self.__dict__)
        view._cached = {}
        view._mask = mask if self._mask is None else mask & self._mask
        return view

    def with_columns(self, columns: Sequence[str]) -> Profiles:
        """Return the same rows, whose wells have no other columns than those of ``columns`` that there are.

        The restricted tables, of the screen and of its plates, are the same objects each time and shared by
        :meth:`replace`, so that what is remembered of them by identity is worked out once.
        """
        present = tuple(str(column) for column in self.wells if column in columns)
        if len(present) == self.wells.shape[1]:
            return self
        if present not in self._views:
            self._views[present] = self.wells[list(present)], {}
        view = Profiles.__new__(type(self))
        view.__dict__.update(self.__dict__)
        view._cached = {}
        view.wells, view._tables = self._views[present]
        return view

    def by_batch(self) -> dict[str, Profiles]:
        """Return one view per batch, in order of first appearance."""
        batch = self.wells["batch"].to_numpy()
        shown = batch if self._mask is None else batch[self._mask]
        return {str(b): self.where(batch == b) for b in pd.unique(shown)}

    def take(self, mask: Mask, *, features: bool = True) -> Profiles:
        """Return a copy that holds only the rows of ``mask`` (n_rows,); without ``features`` their wells alone."""
        rows = np.flatnonzero(mask)
        return Profiles(
            self.X[rows] if features else np.empty((len(rows), 0), dtype=np.float32),
            self.wells.iloc[rows],
            features=self.features if features else (),
            planted=None if self.planted is None or not features else self.planted[rows],
            name=self.name,
            fingerprint=self.fingerprint,
        )

    def replace(self, **changes: Any) -> Profiles:
        """Return the same profiles with other ``X``, ``wells``, ``planted``, ``name`` or ``fingerprint``.

        The cache of their wells stays unless the images are others.
        """
        fields: Mapping[str, Any] = {
            key: getattr(self, key) for key in ("X", "wells", "features", "planted", "name", "fingerprint")
        }
        planted = changes.get("planted")
        same_images = changes.get("X", self.X) is self.X and (planted is None or planted is self.planted)
        well_cache = self.well_cache if same_images else None
        other = Profiles(**{**fields, "well_cache": well_cache, **changes})
        if changes.get("wells", self.wells) is self.wells:
            other._tables, other._views = self._tables, self._views
        return other

    def __getstate__(self) -> dict[str, Any]:
        """For another process: without what can be made again."""
        return {**self.__dict__, "_tables": {}, "_views": {}, "_facts": {}, "_cached": {}, "rescaled": None}

    def cached(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """Return ``make()``, computed once for ``key`` and kept as long as these profiles live."""
        if key not in self._cached:
            self._cached[key] = make()
        made: Made = self._cached[key]
        return made

    @property
    def level(self) -> str:
        """``image`` where some well has several rows, else ``well``."""
        return "image" if self.wells.duplicated(["plate", "well"]).any() else "well"


def _contiguous(plate: pd.Series[Any]) -> list[slice]:
    """Return row ranges of the plates; refuses a plate whose rows are interleaved with another's."""
    codes = pd.factorize(plate)[0]
    if len(codes) == 0:
        return []
    starts = np.r_[0, np.flatnonzero(np.diff(codes)) + 1]
    ends = np.r_[starts[1:], len(codes)]
    names = plate.to_numpy()[starts]
    if len(set(names)) < len(names):
        again = pd.Series(names)
        culprit = again[again.duplicated()].iloc[0]
        raise InputError(f"plate {culprit!r} is interleaved with other plates: sort the rows by plate")
    return [slice(int(a), int(b)) for a, b in zip(starts, ends, strict=True)]
