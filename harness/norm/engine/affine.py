"""Methods that only shift and scale the features of a well: folds start from raw wells, which all of them share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from harness.core.arrays import Floats
from harness.core.profiles import Plate, Profiles, has_role
from harness.norm.base import Normalizer
from harness.norm.engine.stage import check_finite
from harness.utils.parallel import n_threads, ordered


class AffineNormalizer(Normalizer):
    """``transform`` shifts each feature and multiplies it by a positive number, both the same for all sites of a well.

    ``fit``, the well's name and the sites of the plate's control wells decide them. Medians and means over sites
    commute with that, up to rounding, so that a fold needs the sites of control wells and no others.
    """

    @abstractmethod
    def transform_wells(self, wells: Plate, controls: Plate | None) -> Floats:
        """Normalize the raw wells of a plate, (n_wells, n_features), given the sites of its control wells, if any."""

    def glance(self, profiles: Profiles, plate: Plate) -> None:
        """Show a whole plate of ``profiles`` that ``fit``, which comes later, may then not read."""

    @abstractmethod
    def rescales(self) -> bool:
        """After fit: whether all wells have practically the same shift and factor."""


def from_raw_wells(raw: Profiles, profiles: Profiles, fitted: AffineNormalizer) -> Iterator[tuple[slice, Floats]]:
    """Yield normalized wells plate by plate: their rows in ``raw`` and their profiles. ``profiles`` holds the sites."""
    negcon = profiles.replace(planted=None).where(has_role(profiles.wells, "negcon"))

    def part(number: int) -> tuple[slice, Floats]:
        wells = raw[number]
        with np.errstate(over="ignore", invalid="ignore"):  # check_finite names the feature
            Z = fitted.transform_wells(wells, negcon._select(profiles._plates[number]))
        check_finite(Z, wells, profiles.features)
        return wells.rows, Z

    with ThreadPoolExecutor(n_threads()) as pool:
        yield from ordered(pool, part, range(len(raw)), n_threads())
