"""One fitted stage of a normalization, and a screen as it stands after some stages: the rows that each scope shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import RLock
from typing import TYPE_CHECKING

import numpy as np
from sklearn.base import clone

from harness.core.arrays import Floats, Mask
from harness.core.exceptions import InputError
from harness.core.profiles import Plate, Profiles
from harness.core.scope import FitScope
from harness.utils.parallel import n_threads, ordered

if TYPE_CHECKING:
    from harness.norm.base import Normalizer


def check_finite(Z: Floats, plate: Plate, features: Sequence[str]) -> None:
    """Refuse normalized profiles ``Z`` (n, n_features) of ``plate`` that are not finite; names the largest feature."""
    finite = np.isfinite(Z)
    if not finite.all():
        concerned = np.flatnonzero(~finite.all(axis=0))
        number = int(concerned[np.abs(plate.X[:, concerned]).max(axis=0).argmax()])
        values = plate.X[:, number]
        raise InputError(
            f"plate {plate.name!r}: the normalization of feature {features[number]!r} is not finite; its values there "
            f"go from {values.min():.3g} to {values.max():.3g}: correct it, or leave it out by data.features"
        )


class FittedStage:
    """A stage whose training is over, and the profiles before it: fits or adapts it for the plate at hand.

    A fit of a batch is made once and kept, that of a plate is made whenever the plate is asked for.
    """

    def __init__(self, stage: Normalizer, before: Profiles) -> None:
        self.stage = stage
        self.before = before
        self.scope = FitScope(stage.scope)
        self._batches: dict[str, Normalizer] = {}
        self._lock = RLock()

    def key(self, plate: Plate) -> str | None:
        """Return what this plate's statistics belong to: the plate, its batch, or None where it is the whole screen."""
        match self.scope:
            case FitScope.PLATE:
                return plate.name
            case FitScope.BATCH | FitScope.TRAIN_AND_CONTROLS:
                return str(plate.wells["batch"].iloc[0])
        return None

    def of(self, plate: Plate) -> Normalizer:
        """Return the normalizer of one whole plate, as the stages before have left it."""
        key = self.key(plate)
        if key is None:
            return self.stage
        if self.scope is FitScope.PLATE:
            return self._fit([plate])
        with self._lock:
            if key not in self._batches:
                self._batches[key] = self._of_batch(key)
            return self._batches[key]

    def _of_batch(self, batch: str) -> Normalizer:
        wells = self.before.wells
        rows = (wells["batch"].astype(str) == batch).to_numpy()
        if self.scope is FitScope.BATCH:
            return self._fit(self.before.where(rows))
        controls = rows & (wells["role"] == "negcon").to_numpy()
        return self.stage.adapt(self.before.where(controls) if controls.any() else [])

    def _fit(self, plates: Sequence[Plate]) -> Normalizer:
        own: Normalizer = clone(self.stage)
        return own.fit(plates)

    def transform(self, own: Normalizer, plate: Plate) -> Floats:
        """Return ``own.transform(plate)``; TypeError where that is not float32 of the same shape.

        What overflows is told by :func:`check_finite`, in a line that names the feature.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            Z = own.transform(plate)
        if Z.shape != plate.X.shape or Z.dtype != np.float32:
            raise TypeError(f"{type(own).__name__}: got {Z.dtype} {Z.shape}, expected float32 {plate.X.shape}")
        return Z


class TransformedProfiles(Profiles):
    """Profiles after some stages. A plate is read and transformed whole whenever it is asked for, then masked.

    There is no array ``X`` of all rows.
    """

    def __init__(self, profiles: Profiles, steps: Sequence[FittedStage]) -> None:
        self.__dict__.update(profiles.__dict__)
        del self.X
        self._facts, self._cached = {}, {}
        self._profiles = profiles
        self._steps = tuple(steps)

    def where(self, mask: Mask) -> TransformedProfiles:
        view = TransformedProfiles.__new__(TransformedProfiles)
        view.__dict__.update(super().where(mask).__dict__)
        return view

    def __iter__(self) -> Iterator[Plate]:
        with ThreadPoolExecutor(n_threads()) as pool:
            for plate in ordered(pool, self._select, self._present, n_threads()):
                assert plate is not None
                yield plate

    def _select(self, rows: slice) -> Plate | None:
        shown = None if self._mask is None else self._mask[rows]
        if shown is not None and not shown.any():
            return None
        plate = self._profiles._select(rows)
        assert plate is not None
        for step in self._steps:
            Z = step.transform(step.of(plate), plate)
            check_finite(Z, plate, self.features)
            plate = replace(plate, X=Z)
        if shown is None or shown.all():
            return plate
        planted = None if plate.planted is None else plate.planted[shown]
        return replace(plate, X=plate.X[shown], wells=plate.wells[shown].reset_index(drop=True), planted=planted)
