"""Z-score each plate by its own negative controls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

import pandas as pd

from harness.core.arrays import Floats
from harness.core.profiles import Plate
from harness.core.scope import FitScope
from harness.norm.base import Normalizer
from harness.norm.engine.exchangeable import check_controls, control_index, left_out_control
from harness.numerics.constant_features import centres
from harness.numerics.moments import leave_one_out, moments, moments_by_well, moments_of
from harness.numerics.standardize import fallback_report, location_scale, standardize_groups
from harness.settings.annotated_types import Seed


class DmsoWithin(Normalizer):
    """(x - mean of the plate's controls) / their sd (scope: plate; divisor n).

    A feature whose sd over the reference wells is 0 takes mean and sd of all wells of the plate (empty wells
    excepted); if that is 0 too, ``on_constant`` decides. Which features these were is in :meth:`report`.

    Parameters
    ----------
    exchangeable : normalize each control well by the other k - 1 controls and every other well by the controls
        minus one drawn at random. False is the textbook form, in which the controls' own noise makes them
        distinguishable from treated wells (AUROC 0.98 on wells with nothing in them, BBBC021, k = 3).
    seed : of the draws.
    on_constant : what becomes of a feature that is constant on the plate: ``centre`` makes it 0, ``leave`` leaves it
        alone (mean 0, sd 1), so that it carries the plate: the textbook form.

    Raises
    ------
    InputError : a plate with fewer than 3 control wells; an unknown ``on_constant``.

    Notes
    -----
    Assumes that controls sample the plate's technical variation. It removes plate and batch shifts and scales, and
    over-normalizes only where the controls themselves carry the phenotype. The method of the field: Caicedo et al.
    2017, Nat. Methods 14, "Data-analysis strategies for image-based cell profiling" (with median and MAD).
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
        self.reference_ = check_controls(plate, type(self).__name__)
        controls = plate.X[plate.negcon]
        if self.exchangeable:
            codes = control_index(plate, self.reference_)[plate.negcon]
            reference = leave_one_out(moments_by_well(controls, codes, len(self.reference_)))
        else:
            reference = moments(controls)[None]
        zero = (reference.sd == 0).any(axis=0)
        everything = moments_of(plate.X, zero, rows=plate.filled)
        constant = zero & (everything.sd == 0) if centre else None
        self.mean_, self.sd_, self.fallback_ = location_scale(reference, everything, constant)
        self.plate_ = plate.name
        return self

    def transform(self, plate: Plate) -> Floats:
        group = left_out_control(plate, self.reference_, self.seed, exchangeable=self.exchangeable)
        return standardize_groups(plate.X, group, self.mean_, self.sd_)

    def report(self) -> pd.DataFrame:
        return fallback_report(self.plate_, self.fallback_)
