"""Z-score every plate by the pooled negative controls of the training plates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.core.arrays import Floats, Mask
from harness.core.exceptions import InputError
from harness.core.profiles import Plate
from harness.norm.engine.affine import AffineNormalizer
from harness.norm.engine.exchangeable import MIN_CONTROLS, control_index, left_out_control
from harness.norm.engine.plate_summaries import PlateSummaryNormalizer
from harness.numerics.constant_features import centres
from harness.numerics.moments import Moments, leave_one_out, moments, moments_by_well
from harness.numerics.standardize import fallback_report, location_scale, standardize, standardize_groups
from harness.settings.annotated_types import Seed
from harness.settings.limits import OneOf

_RESOLUTION = float(np.finfo(np.float32).eps)
_MANY = 1000  # control wells: to leave one of them out moves no correlation between features by 1e-3


@dataclass(frozen=True)
class Summary:
    """Control wells of a plate, moments of their rows and of all filled rows, and their extremes."""

    wells: list[str]
    controls: Moments
    filled: Moments
    low: Floats
    high: Floats


class DmsoAcross(PlateSummaryNormalizer, AffineNormalizer):
    """(x - mean of the training plates' controls) / their sd (scope: train; divisor n).

    A feature whose sd over the reference wells is 0 takes mean and sd of all training wells; if that is 0 too,
    ``on_constant`` decides, and it is reported.

    Parameters
    ----------
    exchangeable : a reference well is normalized without itself, every other well of its plate without one reference
        well of that plate drawn at random. The effect is 1 / (number of reference wells): small, but not nothing.
    scope : ``train``, or ``transductive`` to read the controls of every plate, held-out ones too, as is often done.
    seed : of the draws.
    on_constant : what becomes of a feature that is constant on all training wells: ``centre`` makes it 0, on any plate,
        ``leave`` leaves it alone (mean 0, sd 1): the textbook form.

    Raises
    ------
    InputError : fewer than 3 control wells in all training plates; an unknown ``on_constant``.

    Notes
    -----
    One affine map for the whole screen: it changes units and removes no batch effect, so that a feature which is
    constant on each plate and differs between them still identifies the plate. It cannot over-normalize.
    """

    needs = ("controls >= 3",)

    def __init__(
        self,
        *,
        exchangeable: bool = True,
        scope: Annotated[str, OneOf("train", "transductive")] = "train",
        seed: Seed = 0,
        on_constant: Literal["centre", "leave"] = "centre",
    ) -> None:
        self.exchangeable = exchangeable
        self.scope = scope
        self.seed = seed
        self.on_constant = on_constant

    def summarize_plate(self, plate: Plate) -> Summary:
        controls = plate.X[plate.negcon]
        codes, wells = pd.factorize(plate.wells.loc[plate.negcon, "well"])
        low, high = _two_most_extreme_wells(controls, codes)
        return Summary(sorted(wells), moments(controls), moments(plate.X, rows=plate.filled), low, high)

    def fit_summaries(self, summaries: Mapping[str, Summary]) -> Self:
        centre = centres(type(self).__name__, self.on_constant)
        with_controls = {name: summary for name, summary in summaries.items() if summary.wells}
        self.reference_ = {name: summary.wells for name, summary in with_controls.items()}
        n_wells = sum(map(len, self.reference_.values()))
        if n_wells < MIN_CONTROLS:
            raise InputError(
                f"DmsoAcross: {n_wells} negative control wells on the training plates, at least {MIN_CONTROLS} are "
                "needed; check data.controls, or choose a normalization that needs no controls, e.g. all_within"
            )
        by_plate = [summary.controls for summary in with_controls.values()]
        stacked = Moments(*(np.stack([np.atleast_1d(getattr(m, a)) for m in by_plate]) for a in ("n", "mean", "M2")))
        others = leave_one_out(stacked)
        self.others_ = {name: others[i] for i, name in enumerate(self.reference_)}
        self.controls_ = others[0].merge(stacked[0])
        lows, highs = (np.concatenate([getattr(s, a) for s in with_controls.values()]) for a in ("low", "high"))
        low, high = np.sort(lows, axis=0)[1], np.sort(highs, axis=0)[-2]
        nearly = _nearly_constant(low, high, float(self.controls_.n[0]))
        self.everything_ = _everything([summary.filled for summary in summaries.values()], nearly)
        self.constant_: Mask | None = nearly & (self.everything_.sd == 0) if centre else None
        self.fallback_ = location_scale(self.controls_, self.everything_, self.constant_)[2]
        return self

    def transform(self, plate: Plate) -> Floats:
        return self.transform_wells(plate, plate)

    def transform_wells(self, wells: Plate, controls: Plate | None) -> Floats:
        reference = self.reference_.get(wells.name)
        if reference is None or controls is None or not self.exchangeable:
            mean, sd, _ = location_scale(self.controls_, self.everything_, self.constant_)
            out = np.empty(wells.X.shape, dtype=np.float32)
            standardize(wells.X, mean, sd, out)
            return out
        codes = control_index(controls, reference)
        by_well = moments_by_well(controls.X[codes >= 0], codes[codes >= 0], len(reference))
        others = leave_one_out(by_well).merge(self.others_[wells.name])
        mean, sd, _ = location_scale(others, self.everything_, self.constant_)
        return standardize_groups(wells.X, left_out_control(wells, reference, self.seed), mean, sd)

    def is_global_rescaling(self) -> bool:
        return not self.exchangeable or sum(map(len, self.reference_.values())) >= _MANY

    def report(self) -> pd.DataFrame:
        return fallback_report("training plates", self.fallback_)


def _two_most_extreme_wells(controls: Floats, codes: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Return, for each feature, the two smallest well minima and the two largest well maxima, each (<= 2, G)."""
    if not len(controls):
        return controls[:0], controls[:0]
    order = np.argsort(codes, kind="stable")
    starts = np.r_[0, np.cumsum(np.bincount(codes))[:-1]]
    low, high = (np.sort(f.reduceat(controls[order], starts, axis=0), axis=0) for f in (np.minimum, np.maximum))
    return low[:2], high[-2:]


def _nearly_constant(low: Floats, high: Floats, n: float) -> NDArray[np.bool_]:
    """Return features that may lack variance once a well is left out, from the second smallest and second largest well.

    n rows of standard deviation s lie within a range of s sqrt(2n); twice that, to miss none.
    """
    magnitude = np.maximum(np.abs(low), np.abs(high)).astype(np.float64)
    return np.asarray(high.astype(np.float64) - low <= 2 * np.sqrt(2 * n) * _RESOLUTION * magnitude)


def _everything(by_plate: Sequence[Moments], columns: NDArray[np.bool_]) -> Moments:
    """Return the moments of all wells for the columns that may need them; 0 elsewhere."""
    total = Moments(np.zeros(1), np.zeros(len(columns)), np.zeros(len(columns)))
    for moments_of_plate in by_plate if columns.any() else ():
        total = total.merge(
            Moments(
                moments_of_plate.n,
                np.where(columns, moments_of_plate.mean, 0),
                np.where(columns, moments_of_plate.M2, 0),
            )
        )
    return total
