"""Profiles of a screen.

A *profile* is one row of image features, of a site (image) or of a well. Rows of a plate are contiguous.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd

from harness.core.aggregate_cache import AggregateCache
from harness.core.arrays import Floats, Mask
from harness.core.exceptions import InputError
from harness.core.plate import Plate as Plate
from harness.core.plate_sequence import PlateSequence
from harness.core.well_facts import WellFacts
from harness.core.well_facts import has_role as has_role
from harness.core.wells_schema import REQUIRED, ROLES, unknown_roles


class Profiles(PlateSequence):
    """Profiles of a screen as a sequence of plates; rows are only read when a plate is needed.

    Parameters
    ----------
    X : array (n_rows, n_features), float32; may be a read-only memory map.
    wells : table of n_rows, of the schema :data:`harness.core.wells_schema.COLUMNS`. As a
        :class:`harness.core.well_facts.WellFacts` of another object it is shared with that.
    features : the n_features feature names (default ``f0, f1, ...``).
    planted : batch-free truth of a simulated screen, same shape as X, or None.
    name : the name of the data in titles.
    fingerprint : identifies the content; empty if it has not been computed.
    well_cache : where the aggregated wells of these images are cached; None if they are computed anew.

    Attributes
    ----------
    rescaled : the same wells in other units: each of their features was shifted and multiplied by a positive number to
        give these, so that correlations are alike; None if that is not known.

    Raises
    ------
    InputError : lengths differ, a plate's rows are not contiguous, a role is unknown, a plate has two batches.
    """

    def __init__(
        self,
        X: Floats,
        wells: pd.DataFrame | WellFacts,
        *,
        features: Sequence[str] | None = None,
        planted: Floats | None = None,
        name: str = "profiles",
        fingerprint: str = "",
        well_cache: AggregateCache | None = None,
    ) -> None:
        table = wells.table if isinstance(wells, WellFacts) else wells
        if X.ndim != 2 or len(X) != len(table):
            raise InputError(f"profiles: X has shape {X.shape}, wells has {len(table)} rows; expected the same")
        features = tuple(features) if features is not None else tuple(f"f{i}" for i in range(X.shape[1]))
        if len(features) != X.shape[1]:
            raise InputError(f"profiles: {len(features)} feature names for {X.shape[1]} features")
        self.X = X
        self.planted = planted
        self.name = name
        self.fingerprint = fingerprint
        self.well_cache = well_cache
        self.rescaled: Profiles | None = None
        facts = wells if isinstance(wells, WellFacts) else WellFacts(_checked(table).reset_index(drop=True))
        super().__init__(facts, features)
        self.facts.cached("one batch per plate", lambda: _check_batches(self.wells))

    @classmethod
    def from_frame(cls, df: pd.DataFrame, **mapping: Any) -> Profiles:
        """Deprecated: call :func:`harness.profiles_from_frame`."""
        warnings.warn("Profiles.from_frame is deprecated: use harness.profiles_from_frame", DeprecationWarning, 2)
        profiles: Profiles = import_module("harness").profiles_from_frame(df, **mapping)
        return profiles

    def _read(self, rows: slice, visible: Mask | None) -> Plate:
        facts = self.facts.of_plate(rows)
        name = str(facts.table["plate"].iloc[0])
        if visible is None:
            planted = None if self.planted is None else self.planted[rows]
            return Plate(name, rows, self.X[rows], facts.table, planted, facts)
        numbers = rows.start + np.flatnonzero(visible)  # hidden rows are not read from the disk
        planted = None if self.planted is None else self.planted[numbers]
        return Plate(name, rows, self.X[numbers], facts.table[visible].reset_index(drop=True), planted)

    def with_columns(self, columns: Sequence[str]) -> Profiles:
        """Return the same rows with a table of wells that has no other columns than ``columns``.

        The restricted tables, of the screen and of its plates, are the same objects each time and shared by
        :meth:`replace`, so that facts of them are computed once.
        """
        facts = self.facts.with_columns(columns)
        if facts is self.facts:
            return self
        view = self._view()
        view.facts = facts
        return view

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
        same: Mapping[str, Any] = {
            key: getattr(self, key) for key in ("X", "wells", "features", "planted", "name", "fingerprint")
        }
        planted = changes.get("planted")
        same_images = changes.get("X", self.X) is self.X and (planted is None or planted is self.planted)
        arguments = {**same, "well_cache": self.well_cache if same_images else None, **changes}
        if arguments["wells"] is self.wells:
            arguments["wells"] = self.facts
        return Profiles(**arguments)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "rescaled": None}

    @property
    def level(self) -> str:
        """``image`` if some well has several rows, else ``well``."""
        several = self.facts.cached("several rows", lambda: bool(self.wells.duplicated(["plate", "well"]).any()))
        return "image" if several else "well"


def _checked(wells: pd.DataFrame) -> pd.DataFrame:
    """Return the table if it has the columns that are needed and no unknown role."""
    missing = [column for column in REQUIRED if column not in wells]
    if missing:
        raise InputError(f"profiles: wells lacks the columns {missing}; found {list(wells.columns)}")
    if unknown := unknown_roles(wells):
        raise InputError(f"profiles: unknown roles {unknown}; allowed are {list(ROLES)}")
    return wells


def _check_batches(wells: pd.DataFrame) -> None:
    """Refuse a plate that lies in several batches."""
    batches = wells.groupby("plate", sort=False)["batch"].nunique(dropna=False)
    if (batches > 1).any():
        plate = batches.index[batches > 1][0]
        names = sorted(wells.loc[wells["plate"] == plate, "batch"].astype(str).unique())
        raise InputError(f"plate {plate!r} lies in {len(names)} batches {names}; a plate belongs to one batch")
