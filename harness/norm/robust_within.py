"""Robust z-score of each plate by its own negative controls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

import numpy as np
import pandas as pd

from harness.core.arrays import Floats, Mask
from harness.core.profiles import Plate
from harness.core.scope import FitScope
from harness.norm.base import Normalizer
from harness.norm.engine.exchangeable import check_controls, control_index, left_out_control
from harness.numerics.constant_features import CENTRED, LEFT_ALONE, centres
from harness.numerics.leave_one_out_quantiles import MAD_TO_SD, left_out_median_mad, median_mad
from harness.numerics.moments import moments_of, resolution
from harness.numerics.standardize import fallback_report, standardize_groups
from harness.settings.annotated_types import Seed


class RobustWithin(Normalizer):
    """(x - median of the plate's controls) / (1.4826 MAD of them) (scope: plate).

    A feature whose MAD over the reference is 0 (half of the values or more are equal) takes median and MAD of all
    wells of the plate (empty wells excepted); if that is 0 too, ``on_constant`` decides. Which ones is in
    :meth:`report`.

    Parameters
    ----------
    exchangeable : normalize each control well by the other k - 1 controls and every other well by the controls
        minus one drawn at random; all sites of a well leave together. False is the textbook form.
    seed : of the draws.
    on_constant : what becomes of a feature whose MAD over all wells is 0. ``centre`` subtracts the plate's median and
        does not rescale: the values that most wells share become 0 and the few others keep their distance from them; a
        feature that is constant on the plate becomes 0 throughout. ``leave`` leaves it alone.

    Raises
    ------
    InputError : a plate with fewer than 3 control wells; an unknown ``on_constant``.

    Notes
    -----
    Assumes that more than half of the controls sample the plate's technical variation: a few bad control wells do not
    count, as they do in ``dmso_within``; the price is a noisier scale at few controls. Works for an unseen batch,
    whose plates bring their own controls. Over-normalizes only where the controls themselves carry the phenotype.
    Caicedo et al. 2017, Nat. Methods 14, "Data-analysis strategies for image-based cell profiling".
    """

    scope = FitScope.PLATE
    is_monotone = True
    needs = ("controls_per_plate >= 3",)

    def __init__(
        self, *, exchangeable: bool = True, seed: Seed = 0, on_constant: Literal["centre", "leave"] = "centre"
    ) -> None:
        self.exchangeable = exchangeable
        self.seed = seed
        self.on_constant = on_constant

    def fit(self, plates: Sequence[Plate]) -> Self:
        (plate,) = plates
        centre = centres(type(self).__name__, self.on_constant)
        self.plate_ = plate.name
        self.reference_ = check_controls(plate, type(self).__name__)
        codes = control_index(plate, self.reference_)[plate.negcon]
        whole = np.full(len(codes), -1)
        self.median_, scale = left_out_median_mad(plate.X[plate.negcon], codes if self.exchangeable else whole)
        zero = scale <= resolution(self.median_)
        self.fallback_ = zero.astype(np.int8)
        concerned: Mask = np.asarray(zero.any(axis=0))
        if concerned.any():
            X = plate.X[np.ix_(plate.filled, concerned)]
            middle, spread = np.zeros((2, plate.X.shape[1]))
            middle[concerned], spread[concerned] = median_mad(X)
            flat: Mask = concerned & (spread <= resolution(middle))
            alone = (zero | flat) if centre else zero
            self.fallback_[alone & flat] = CENTRED if centre else LEFT_ALONE
            self.median_ = np.where(alone, np.where(flat & (not centre), 0, middle), self.median_)
            scale = np.where(alone, np.where(flat, 1 / MAD_TO_SD, spread), scale)
            if centre and flat.any():
                constant = flat & (moments_of(plate.X, flat, rows=plate.filled).sd == 0)
                self.median_[:, constant], scale[:, constant] = 0, np.inf
        self.scale_ = MAD_TO_SD * scale
        return self

    def transform(self, plate: Plate) -> Floats:
        group = left_out_control(plate, self.reference_, self.seed, exchangeable=self.exchangeable)
        return standardize_groups(plate.X, group, self.median_, self.scale_)

    def report(self) -> pd.DataFrame:
        return fallback_report(self.plate_, self.fallback_)
