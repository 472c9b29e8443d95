"""A fitted stage of a normalization, and a screen as transformed by some stages: the rows that each scope may read."""

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
from harness.core.plate import Plate
from harness.core.plate_sequence import PlateSequence
from harness.core.result_cache import ResultCache
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
    """A stage after training, and the plates before it: fits or adapts the stage for the plate that is transformed.

    The fit of a batch is computed once, that of a plate whenever the plate is transformed.
    """

    def __init__(self, stage: Normalizer, before: PlateSequence) -> None:
        self.stage = stage
        self.before = before
        self.scope = FitScope(stage.scope)
        self._by_batch = ResultCache()
        self._lock = RLock()

    def statistics_key(self, plate: Plate) -> str | None:
        """Return the name of the plate or batch that the plate's statistics belong to, None for the whole screen."""
        match self.scope:
            case FitScope.PLATE:
                return plate.name
            case FitScope.BATCH | FitScope.TRAIN_AND_CONTROLS:
                return str(plate.wells["batch"].iloc[0])
        return None

    def normalizer_for(self, plate: Plate) -> Normalizer:
        """Return the normalizer of one whole plate, as the stages before have left it."""
        key = self.statistics_key(plate)
        if key is None:
            return self.stage
        if self.scope is FitScope.PLATE:
            return self._fit([plate])
        with self._lock:
            return self._by_batch.get(key, lambda: self._fit_batch(key))

    def _fit_batch(self, batch: str) -> Normalizer:
        wells = self.before.wells
        rows = (wells["batch"].astype(str) == batch).to_numpy()
        if self.scope is FitScope.BATCH:
            return self._fit(self.before.where(rows))
        controls = rows & self.before.facts.has_role("negcon")
        return self.stage.adapt(self.before.where(controls) if controls.any() else [])

    def _fit(self, plates: Sequence[Plate]) -> Normalizer:
        unfitted: Normalizer = clone(self.stage)
        return unfitted.fit(plates)

    def transform(self, normalizer: Normalizer, plate: Plate) -> Floats:
        """Return ``normalizer.transform(plate)``; TypeError unless that is float32 of the same shape.

        Overflow raises no warning here: :func:`check_finite` refuses it with the name of the feature.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            Z = normalizer.transform(plate)
        if Z.shape != plate.X.shape or Z.dtype != np.float32:
            raise TypeError(f"{type(normalizer).__name__}: got {Z.dtype} {Z.shape}, expected float32 {plate.X.shape}")
        return Z


class TransformedProfiles(PlateSequence):
    """Plates after some stages: each is read from ``source`` and transformed whole whenever it is needed, then masked.

    There is no array of all rows.
    """

    def __init__(self, source: PlateSequence, stages: Sequence[FittedStage]) -> None:
        super().__init__(source.facts, source.features, source._mask)
        self._source = source
        self._stages = tuple(stages)

    def __iter__(self) -> Iterator[Plate]:
        with ThreadPoolExecutor(n_threads()) as pool:
            for plate in ordered(pool, self.plate_at, self.visible_slices, n_threads()):
                assert plate is not None
                yield plate

    def _read(self, rows: slice, visible: Mask | None) -> Plate:
        plate = self._source.plate_at(rows)
        assert plate is not None
        for stage in self._stages:
            Z = stage.transform(stage.normalizer_for(plate), plate)
            check_finite(Z, plate, self.features)
            plate = replace(plate, X=Z)
        if visible is not None and self._source._mask is not None:
            visible = visible[self._source._mask[rows]]  # rows that the source hides are not in the plate
        if visible is None or visible.all():
            return plate
        planted = None if plate.planted is None else plate.planted[visible]
        return replace(plate, X=plate.X[visible], wells=plate.wells[visible].reset_index(drop=True), planted=planted)
