"""Z-score every plate by the pooled negative controls of the training plates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.norm.base import Normalizer
from harness.norm.exchange import MIN_CONTROLS, left_out, positions
from harness.norm.moments import Moments, leave_one_out, moments, moments_by_well, moments_of
from harness.norm.scaling import fallback_report, location_scale, standardize, standardize_groups
from harness.types import Floats, InputError, Plate

_RESOLUTION = float(np.finfo(np.float32).eps)


class DmsoAcross(Normalizer):
    """(x - mean of the training plates' controls) / their sd (scope: train; divisor n).

    A feature whose sd over the reference wells is 0 takes mean and sd of all training wells; if that is 0 too it is
    left alone and reported.

    Parameters
    ----------
    exchangeable : a reference well is normalized without itself, every other well of its plate without one reference
        well of that plate drawn at random. The effect is 1 / (number of reference wells): small, but not nothing.
    scope : ``train``, or ``transductive`` to read the controls of every plate, held-out ones too, as is often done.
    seed : of the draws.

    Raises
    ------
    InputError : fewer than 3 control wells in all training plates.

    Notes
    -----
    One affine map for the whole screen: it changes units and removes no batch effect. It cannot over-normalize.
    """

    def __init__(self, *, exchangeable: bool = True, scope: str = "train", seed: int = 0) -> None:
        self.exchangeable = exchangeable
        self.scope = scope
        self.seed = seed

    def fit(self, plates: Sequence[Plate]) -> Self:
        self.reference_: dict[str, list[str]] = {}
        by_plate: list[Moments] = []
        lows: list[Floats] = []
        highs: list[Floats] = []
        for plate in plates:
            controls = plate.X[plate.negcon]
            if not len(controls):
                continue
            codes, wells = pd.factorize(plate.wells.loc[plate.negcon, "well"])
            self.reference_[plate.name] = sorted(wells)
            low, high = _two_most_extreme_wells(controls, codes)
            lows.append(low)
            highs.append(high)
            by_plate.append(moments(controls))
        n_wells = sum(map(len, self.reference_.values()))
        if n_wells < MIN_CONTROLS:
            raise InputError(
                f"DmsoAcross: {n_wells} negative control wells on the training plates, at least {MIN_CONTROLS} are "
                "needed; check data.controls, or choose a normalization that needs no controls, e.g. all_within"
            )
        stacked = Moments(*(np.stack([np.atleast_1d(getattr(m, a)) for m in by_plate]) for a in ("n", "mean", "M2")))
        others = leave_one_out(stacked)
        self.others_ = {name: others[i] for i, name in enumerate(self.reference_)}
        self.controls_ = others[0].merge(stacked[0])
        low, high = np.sort(np.concatenate(lows), axis=0)[1], np.sort(np.concatenate(highs), axis=0)[-2]
        self.everything_ = _everything(plates, _nearly_constant(low, high, float(self.controls_.n[0])))
        self.fallback_ = location_scale(self.controls_, self.everything_)[2]
        return self

    def transform(self, plate: Plate) -> Floats:
        reference = self.reference_.get(plate.name)
        if reference is None or not self.exchangeable:
            mean, sd, _ = location_scale(self.controls_, self.everything_)
            out = np.empty(plate.X.shape, dtype=np.float32)
            standardize(plate.X, mean, sd, out)
            return out
        codes = positions(plate, reference)
        rest = leave_one_out(moments_by_well(plate.X[codes >= 0], codes[codes >= 0], len(reference)))
        mean, sd, _ = location_scale(rest.merge(self.others_[plate.name]), self.everything_)
        return standardize_groups(plate.X, left_out(plate, reference, self.seed), mean, sd)

    def report(self) -> pd.DataFrame:
        return fallback_report("training plates", self.fallback_)


def _two_most_extreme_wells(controls: Floats, codes: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """For each feature the two smallest well minima and the two largest well maxima, each (<= 2, G)."""
    order = np.argsort(codes, kind="stable")
    starts = np.r_[0, np.cumsum(np.bincount(codes))[:-1]]
    low, high = (np.sort(f.reduceat(controls[order], starts, axis=0), axis=0) for f in (np.minimum, np.maximum))
    return low[:2], high[-2:]


def _nearly_constant(low: Floats, high: Floats, n: float) -> NDArray[np.bool_]:
    """Features that may have no variance once a well is left out, from the second smallest and second largest well.

    n rows of standard deviation s lie within a range of s sqrt(2n); twice that, to miss none.
    """
    magnitude = np.maximum(np.abs(low), np.abs(high)).astype(np.float64)
    return np.asarray(high.astype(np.float64) - low <= 2 * np.sqrt(2 * n) * _RESOLUTION * magnitude)


def _everything(plates: Sequence[Plate], columns: NDArray[np.bool_]) -> Moments:
    """Moments of all wells for the columns that may need them: a second pass only where there are any."""
    total = Moments(np.zeros(1), np.zeros(len(columns)), np.zeros(len(columns)))
    if columns.any():
        for plate in plates:
            total = total.merge(moments_of(plate.X, columns, rows=plate.filled))
    return total
