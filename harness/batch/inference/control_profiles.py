"""Control profiles of plates: scaled medians of control wells, their leading components, and resamples of both.

Only rows of role ``negcon`` are read, and no column of ``wells`` but plate, well, role and the order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.core.arrays import Doubles, Floats
from harness.core.exceptions import InputError
from harness.core.profiles import Profiles
from harness.core.seeding import generator
from harness.data.wells.aggregation import sites_to_wells, well_codes
from harness.utils.text import as_text, preview

VARIANCE = 0.95  # of scaled plate medians that the leading components explain
MAD_TO_SD = 1.4826  # of a Gaussian
CONSTANT = 1e-6  # of a feature's magnitude: float32 profiles do not resolve less


@dataclass(frozen=True)
class ControlProfiles:
    """Control profiles of n plates in plate order.

    Attributes
    ----------
    plates : n names.
    n_controls : (n,) control wells of each plate.
    scaled : (n, n_varying) medians of control wells, less the median over plates, in robust sd over plates.
    features : the n_varying features that vary over plates.
    components : (n, q) leading components of ``scaled``, as many as explain :data:`VARIANCE`. Profiles longer than the
        median are shortened to it before the directions are computed, so that no outlier is a direction of its own
        (after the spherical components of Locantore 1999).
    """

    plates: tuple[str, ...]
    n_controls: NDArray[np.int64]
    scaled: Doubles
    features: tuple[str, ...]
    components: Doubles
    _wells: tuple[Floats, ...]
    _centre: Doubles
    _loadings: Doubles

    def resampled(self, *, n: int, seed: int) -> Iterator[Doubles]:
        """Yield components, (n_plates, q), of control wells drawn with replacement within each plate, ``n`` times.

        The scaling and the directions of the components stay those of the screen; draws depend on ``seed`` and the
        plate's name only.
        """
        components = np.empty((n, *self.components.shape))
        for i, (plate, wells) in enumerate(zip(self.plates, self._wells, strict=True)):
            counts = generator(seed, "control wells", plate).multinomial(
                len(wells), np.full(len(wells), 1 / len(wells)), n
            )
            order = np.argsort(wells, axis=0)
            ordered = np.take_along_axis(wells, order, axis=0)
            for j, count in enumerate(counts):
                reached = count[order].cumsum(axis=0)  # draws at or below each well, feature by feature
                low, high = ((reached > rank).argmax(axis=0) for rank in ((len(wells) - 1) // 2, len(wells) // 2))
                middle = [np.take_along_axis(ordered, at[None], axis=0)[0].astype(np.float64) for at in (low, high)]
                components[j, i] = ((middle[0] + middle[1]) / 2 - self._centre) @ self._loadings
        yield from components


def control_profiles(profiles: Profiles, *, order: str = "plate") -> ControlProfiles:
    """Return control profiles of all plates in the order of the column ``order``: numbers by size, text naturally.

    Sites of a well count as one well, by their median.

    Raises
    ------
    InputError : plates without control wells; no such column; plates with no place in the order, or with several;
        control medians that do not vary over plates.
    """
    ranks = plate_order(profiles.wells, order)
    medians, wells = {}, {}
    for plate in profiles:
        if not plate.negcon.any():
            continue
        codes = well_codes(plate.wells[plate.negcon])
        wells[plate.name] = sites_to_wells(np.asarray(plate.X[plate.negcon]), codes, "median")
        medians[plate.name] = np.median(wells[plate.name].astype(np.float64), axis=0)
    if bare := [plate for plate in ranks if plate not in wells]:
        raise InputError(
            f"batch=inferred: no control wells (negcon) on plates {preview(bare)}; batches are found in controls: mark "
            "them by data.controls, leave the plates out by data.exclude_plates, or use batch=column or batch=ranges"
        )
    M = np.array([medians[plate] for plate in ranks])
    middle = np.median(M, axis=0)
    spread = MAD_TO_SD * np.median(np.abs(M - middle), axis=0)
    varies = spread > CONSTANT * np.abs(M).max(axis=0)
    if not varies.any():
        raise InputError(
            f"batch=inferred: medians of control wells are the same on most of the {len(ranks)} plates in all "
            f"{M.shape[1]} features; batches cannot be told apart: name them by batch=column or batch=ranges"
        )
    scaled = (M[:, varies] - middle[varies]) / spread[varies]
    length = np.linalg.norm(scaled, axis=1, keepdims=True)
    shortened = scaled * np.minimum(1.0, np.median(length) / np.maximum(length, np.finfo(float).tiny))
    _, size, axes = np.linalg.svd(shortened - shortened.mean(axis=0), full_matrices=False)
    share = np.cumsum(size**2) / np.sum(size**2)
    loadings = axes[: int(np.searchsorted(share, VARIANCE)) + 1].T
    return ControlProfiles(
        plates=tuple(ranks),
        n_controls=np.array([len(wells[plate]) for plate in ranks]),
        scaled=scaled,
        features=tuple(np.array(profiles.features, dtype=object)[varies]),
        components=scaled @ loadings,
        _wells=tuple(wells[plate][:, varies] for plate in ranks),
        _centre=middle[varies],
        _loadings=loadings / spread[varies][:, None],
    )


def plate_order(wells: pd.DataFrame, column: str) -> list[str]:
    """Return the plates in the order of ``column``, plates of equal rank by name.

    Raises
    ------
    InputError : no such column; plates with no place in the order, or with several.
    """
    remedy = "set batch.order to a column that gives every plate one place, as an acquisition date does"
    if column not in wells:
        raise InputError(
            f"batch=inferred: no column {column!r} to order plates by; found {preview(wells.columns, 20)}; {remedy}"
        )
    pairs = pd.DataFrame({"plate": as_text(wells["plate"]), "at": as_text(wells[column])}).drop_duplicates()
    twice = pairs["plate"][pairs["plate"].duplicated()].unique()
    if len(twice):
        raise InputError(f"batch=inferred: plates {preview(twice)} have several values of {column!r}; {remedy}")
    blank = pairs["plate"][pairs["at"] == ""]
    if len(blank):
        raise InputError(f"batch=inferred: plates {preview(blank)} have no {column!r}; {remedy}")
    keys = {str(plate): (_natural(str(at)), _natural(str(plate))) for plate, at in pairs.to_numpy()}
    return sorted(keys, key=keys.__getitem__)


def _natural(text: str) -> list[tuple[float, str]]:
    """Return a key that sorts ``week2`` before ``week10``; a number, also with sign or decimals, sorts by its size."""
    try:
        return [(float(text), "")]
    except ValueError:
        return [(float(part), "") if part.isdigit() else (np.inf, part) for part in re.split(r"(\d+)", text) if part]
