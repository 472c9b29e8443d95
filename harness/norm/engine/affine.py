"""Methods that only shift and scale the features of a well: folds start from raw wells, which all of them share."""

from __future__ import annotations

from abc import abstractmethod

from harness.core.arrays import Floats
from harness.core.plate import Plate
from harness.core.plate_sequence import PlateSequence
from harness.norm.base import Normalizer


class AffineNormalizer(Normalizer):
    """A normalizer that shifts each feature and multiplies it by a positive number, the same for all sites of a well.

    ``fit``, the well's name and the sites of the plate's control wells decide them. Medians and means over sites
    commute with that, up to rounding, so that a fold needs the sites of control wells and no others
    (:func:`harness.norm.engine.strategies.normalize_raw_wells`).
    """

    @abstractmethod
    def transform_wells(self, wells: Plate, controls: Plate | None) -> Floats:
        """Normalize the raw wells of a plate, (n_wells, n_features), given the sites of its control wells, if any."""

    def observe_plate(self, plates: PlateSequence, plate: Plate) -> None:
        """Learn from a whole plate that is in memory what spares ``fit``, which comes later, reading it again."""

    @abstractmethod
    def is_global_rescaling(self) -> bool:
        """Return, after fit, whether all wells have practically the same shift and factor."""
