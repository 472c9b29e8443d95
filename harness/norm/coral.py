"""Align the covariance of each batch's controls with that of the training controls."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Literal, Self

import numpy as np
import pandas as pd

from harness.core.arrays import Doubles, Floats, Mask
from harness.core.exceptions import InputError
from harness.core.profiles import Plate
from harness.core.scope import FitScope
from harness.norm.engine.crossfit import CrossFitted
from harness.numerics.constant_features import CENTRED, LEFT_ALONE, centres
from harness.numerics.covariance import Groups, gather, pooled, union
from harness.numerics.eigen import Power
from harness.numerics.standardize import fallback_report, standardize_groups
from harness.settings.annotated_types import Folds, NotNegative, Seed


class Coral(CrossFitted):
    """(x - mu_b) (C_b + lambda I)^-1/2 (C_ref + lambda I)^1/2 + mu_ref (scope: train_and_controls).

    mu_b and C_b: mean and covariance of the batch's controls; mu_ref and C_ref: of all training controls.

    Parameters
    ----------
    shrinkage : lambda >= 0, on features divided by the sd of the training controls; 1 in Sun et al. Where a batch has
        few controls it keeps C_b + lambda I from being their noise; 0 needs more control rows than features.
    exchangeable : cross-fit: all these statistics leave out the fold of the well's own controls. False is the textbook
        form.
    n_folds : of wells. ``seed`` : of the folds.
    on_constant : what becomes of a feature without variance among the training controls: ``centre`` subtracts the mean
        of the batch's controls and does nothing else, so that it lies at 0 in every batch; one that is constant on all
        training wells becomes 0. ``leave`` leaves it as it is.

    Raises
    ------
    InputError : a batch, or the training plates, with fewer than 3 control wells once a fold is left out; lambda 0 and
        a singular C_b; an unknown ``on_constant``.

    Notes
    -----
    Works for an unseen batch, by its controls. Assumes that controls are the same population in every batch and that
    their covariance within a batch is technical. Where controls are few, the axes along which C_b happens to be small
    are stretched for the whole batch; over-normalizes where the phenotype lies along axes that vary in one batch's
    controls only. A feature that is constant within each batch, but not over batches, gets mu_ref and what C_ref says
    that it shares with the others. Sun, Feng, Saenko 2016, AAAI, "Return of frustratingly easy domain adaptation".
    """

    scope = FitScope.TRAIN_AND_CONTROLS
    needs = ("controls_per_batch >= 4",)
    center_: list[Doubles]
    whiten_: list[Power]
    level_: Floats

    def __init__(
        self,
        *,
        shrinkage: NotNegative = 1.0,
        exchangeable: bool = True,
        n_folds: Folds = 5,
        seed: Seed = 0,
        on_constant: Literal["centre", "leave"] = "centre",
    ) -> None:
        self.shrinkage = shrinkage
        self.exchangeable = exchangeable
        self.n_folds = n_folds
        self.seed = seed
        self.on_constant = on_constant

    def fit(self, plates: Sequence[Plate]) -> Self:
        if not self.shrinkage >= 0:
            raise InputError(f"{type(self).__name__}: shrinkage {self.shrinkage!r}; expected a number >= 0")
        self._read_reference(plates, "on the training plates", {})
        self.training_reference_ = self.reference_
        moments = pooled(plates, self._control_fold, self._n_groups())
        self.mean_, self.sd_, self.fallback_, self.active_ = self._standardization(plates, moments)
        scale = union(moments, range(self._n_groups())).sd[self.active_]
        groups = gather(plates, self._control_fold, moments, scale, self.active_)
        self.color_: list[Power] = []
        self.first_: list[Floats] = []
        self._learn(plates, groups)
        return self

    def _learn(self, plates: Sequence[Plate], groups: Groups) -> None:  # noqa: ARG002
        """Set, for each set of statistics, ``first_`` (a map before the alignment, if any) and ``color_``."""
        for folds, sd in zip(self._folds_read, self.sd_, strict=True):
            reference = groups.spectrum(folds, sd[self.active_])
            self.color_.append(reference.plus(self.shrinkage).power(0.5))

    def adapt(self, controls: Sequence[Plate]) -> Self:
        adapted = copy.copy(self)
        batch = repr(str(controls[0].wells["batch"].iloc[0])) if len(controls) else "without any"
        adapted._read_reference(controls, f"in batch {batch}", self.training_reference_)
        moments = pooled(controls, adapted._control_fold, adapted._n_groups())
        groups = gather(controls, adapted._control_fold, moments, self.sd_[0, self.active_], self.active_)
        adapted.center_, adapted.whiten_ = [], []
        adapted.level_ = np.stack([union(moments, folds).mean for folds in self._folds_read]).astype(np.float32)
        for f, folds in enumerate(self._folds_read):
            sd, first = self.sd_[f, self.active_], self.first_[f] if self.first_ else None
            whole = union(groups.moments, folds)
            center = (whole.mean - self.mean_[f, self.active_]) / sd
            self._standardized_alike(f, whole.mean, whole.sd == 0, center)
            spectrum = groups.spectrum(folds, sd, first).plus(self.shrinkage)
            if spectrum.singular:
                raise InputError(
                    f"{type(self).__name__}: the covariance of controls in batch {batch} has rank "
                    f"{len(spectrum.values)} in {spectrum.size} features, singular with norm.shrinkage=0; choose a "
                    "number above 0, e.g. 1"
                )
            adapted.center_.append(center if first is None else center @ first)
            adapted.whiten_.append(spectrum.power(-0.5))
        return adapted

    def _standardized_alike(self, f: int, mean: Doubles, constant: Mask, center: Doubles) -> None:
        """Set ``center`` to the transformed value of features that are ``constant`` in a batch: no residue is left."""
        if constant.any():
            row = np.zeros((1, len(self.active_)), dtype=np.float32)
            row[0, self.active_] = mean
            Z = standardize_groups(row, np.array([f]), self.mean_, self.sd_)
            center[constant] = Z[0, self.active_][constant]

    def transform(self, plate: Plate) -> Floats:
        fold = self._fold(plate)
        Z = standardize_groups(plate.X, fold, self.mean_, self.sd_)
        for f in np.unique(fold):
            block = np.ix_(fold == f, self.active_)
            part = Z[block] if not self.first_ else Z[block] @ self.first_[f]
            Z[block] = self.color_[f](self.whiten_[f](part - self.center_[f].astype(np.float32)))
        return self._finished(plate, Z, fold)

    def _finished(self, plate: Plate, Z: Floats, fold: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Floats:
        """Return aligned rows in the units of the features."""
        rest = ~self.active_
        sd = np.where(self.active_, self.sd_, 0)
        for f in np.unique(fold):
            rows = fold == f
            Z[rows] = Z[rows] * sd[f] + self.mean_[f]
        Z[:, rest] = plate.X[:, rest]
        if centres(type(self).__name__, self.on_constant):
            Z[:, rest] -= self.level_[fold][:, rest]
            Z[:, self.fallback_ == CENTRED] = 0
        return Z

    def report(self) -> pd.DataFrame:
        code = CENTRED if centres(type(self).__name__, self.on_constant) else LEFT_ALONE
        return fallback_report("training plates", np.where(self.fallback_ > 0, code, 0).astype(np.int8))
