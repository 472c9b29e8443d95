"""Whiten features by the covariance of the training controls."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Literal, Self

import numpy as np
import pandas as pd

from harness.core.arrays import Doubles, Floats
from harness.core.exceptions import InputError
from harness.core.profiles import Plate
from harness.core.scope import FitScope
from harness.norm.engine.crossfit import CrossFitted
from harness.numerics.covariance import Groups, gather, pooled, union
from harness.numerics.eigen import Spectrum
from harness.numerics.shrinkage import INTENSITIES, best, held_out, ledoit_wolf, plate_folds
from harness.numerics.standardize import fallback_report, standardize_groups
from harness.settings.annotated_types import Folds, NotNegative, Seed
from harness.settings.limits import OneOf

METHODS = ("zca", "zca_cor", "pca", "pca_cor")


class Sphering(CrossFitted):
    """(x - mean) U (L + lambda I)^-1/2 U^T; mean, axes U and variances L of the training controls (scope: train).

    Parameters
    ----------
    method : ``zca`` whitens by the covariance (meant for features of like scale, e.g. after a z-score), ``zca_cor`` by
        the correlation after division by the sd: each output stays closest to its feature. ``pca`` and ``pca_cor`` are
        these, rotated to principal axes: column j is no longer feature j but the axis of j-th largest variance (counted
        over the features that have variance; columns beyond the rank of the data are 0).
    shrinkage : lambda >= 0 in units of the mean variance (of 1 for ``zca_cor``). ``ledoit_wolf`` and ``auto`` take
        (1 - a) L + a x mean variance instead: a by Ledoit & Wolf 2004, or of highest Gaussian likelihood of controls on
        training plates left out (3 folds).
    exchangeable : cross-fit: a control is whitened by the fit that has not read its well's fold, any other well by one
        drawn at random. False is the textbook form.
    n_folds : of wells. ``seed`` : of the folds.
    on_constant : what becomes of a feature that is constant on all training wells: ``centre`` makes it 0, on any plate,
        ``leave`` leaves it alone.

    Raises
    ------
    InputError : unknown method, shrinkage or ``on_constant``; fewer than 3 control wells once a fold is left out;
        lambda 0 and a singular covariance; ``auto`` where no controls that are left out can be compared with others.

    Notes
    -----
    Folds are comparable as long as they are not rotated one by one. The cross-fitted ``pca`` forms therefore rotate the
    ``zca`` result by the axes of *all* training wells: own axes per fold differ in sign and order, and those of all
    controls would give them away (LightGBM, wells with nothing in them, 144 controls: AUROC 0.90 in 60 features, 1.00
    in 200).

    Assumes that what varies among controls is technical, in any batch; works for an unseen batch, with the frozen fit,
    but removes no shift of a batch by itself. It over-normalizes where a phenotype lies along what varies in controls.
    Images of a well count as rows of their own, which makes ``ledoit_wolf`` too trusting; ``auto`` leaves out plates.
    Where plates or batches are shifted, no covariance predicts plates left out and ``auto`` shrinks strongly: align
    them first, e.g. by ``dmso_within``.
    A feature without variance among controls takes part in no covariance: it is z-scored by all training wells.
    Kessy, Lewin, Strimmer 2018, The American Statistician 72 (arXiv 1512.00809).
    """

    scope = FitScope.TRAIN
    needs = ("controls >= 4", "plates >= 3")

    def __init__(
        self,
        *,
        method: Annotated[str, OneOf(*METHODS)] = "zca_cor",
        shrinkage: NotNegative | Annotated[str, OneOf("auto", "ledoit_wolf")] = "auto",
        exchangeable: bool = True,
        n_folds: Folds = 5,
        seed: Seed = 0,
        on_constant: Literal["centre", "leave"] = "centre",
    ) -> None:
        self.method = method
        self.shrinkage = shrinkage
        self.exchangeable = exchangeable
        self.n_folds = n_folds
        self.seed = seed
        self.on_constant = on_constant

    def fit(self, plates: Sequence[Plate]) -> Self:
        if self.method not in METHODS:
            raise InputError(f"Sphering: method {self.method!r} is unknown; choose one of {list(METHODS)}")
        self._read_reference(plates, "on the training plates", {})
        moments = pooled(plates, self._control_fold, self._n_groups())
        self.mean_, self.sd_, self.fallback_, self.active_ = self._standardization(plates, moments)
        scale = union(moments, range(self._n_groups())).sd[self.active_]
        groups = gather(plates, self._control_fold, moments, scale, self.active_)
        if not self.method.endswith("cor"):
            self.sd_[:, self.active_] = 1.0
        unit = scale if self.method.endswith("cor") else np.ones_like(scale)
        self.keep_, self.ridge_ = self._regularization(plates, groups, unit)
        rotation = self._axes_of_all(plates, scale, unit) if self.exchangeable and "pca" in self.method else None
        self.matrix_ = np.stack(
            [
                self._matrix(groups, folds, sd[self.active_], rotation)
                for folds, sd in zip(self._folds_read, self.sd_, strict=True)
            ]
        )
        return self

    def transform(self, plate: Plate) -> Floats:
        fold = self._fold(plate)
        Z = standardize_groups(plate.X, fold, self.mean_, self.sd_)
        for f in np.unique(fold):
            block = np.ix_(fold == f, self.active_)
            Z[block] = Z[block] @ self.matrix_[f]
        return Z

    def report(self) -> pd.DataFrame:
        return fallback_report("training plates", self.fallback_)

    def _regularization(self, plates: Sequence[Plate], groups: Groups, unit: Doubles) -> tuple[float, float]:
        """Return the factor of the variances, and the addition to them in units of their mean."""
        match self.shrinkage:
            case "ledoit_wolf":
                a = ledoit_wolf(plates, self._control_fold, groups, unit, self.active_)
            case "auto":
                codes, k = plate_folds(plates, self._control_fold, self._n_groups(), self.seed)
                if k < 2:
                    raise InputError("Sphering: shrinkage=auto needs controls on two training plates, got one plate")
                parts = held_out(plates, (codes, k), groups.scale, unit, self.active_, "Sphering: norm.shrinkage")
                a = float(
                    INTENSITIES[best(parts, [partial(Spectrum.shrunk, keep=1 - a, ridge=a) for a in INTENSITIES])]
                )
            case float() | int() if self.shrinkage >= 0:
                return 1.0, float(self.shrinkage)
            case _:
                raise InputError(
                    f"Sphering: shrinkage {self.shrinkage!r}; expected a number >= 0, 'ledoit_wolf' or 'auto'"
                )
        return 1 - a, a

    def _matrix(self, groups: Groups, folds: list[int], sd: Doubles, rotation: Doubles | None) -> Floats:
        spectrum = groups.spectrum(folds, sd)
        fitted = spectrum.shrunk(self.keep_, self.ridge_)
        if fitted.singular:
            n = int(union(groups.moments, folds).n[0])
            raise InputError(
                f"Sphering: the covariance of {n} control rows in {spectrum.size} features has rank "
                f"{len(spectrum.values)}, singular with norm.shrinkage={self.shrinkage}; choose a number above 0, "
                "ledoit_wolf or auto"
            )
        whitening = fitted.matrix(-0.5)
        if "pca" in self.method:
            axes = _signed(spectrum.axes) if rotation is None else rotation
            whitening = np.pad(whitening @ axes.T, ((0, 0), (0, spectrum.size - len(axes))))
        return whitening.astype(np.float32)

    def _axes_of_all(self, plates: Sequence[Plate], scale: Doubles, unit: Doubles) -> Doubles:
        def filled(plate: Plate) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
            return np.where(plate.filled, 0, -1)

        return _signed(gather(plates, filled, pooled(plates, filled, 1), scale, self.active_).spectrum([0], unit).axes)


def _signed(axes: Doubles) -> Doubles:
    """Return axes (r, G) whose entry of largest size is positive, so that signs do not depend on rounding."""
    largest = np.abs(axes).argmax(axis=1)
    return np.asarray(axes * np.sign(axes[np.arange(len(axes)), largest])[:, None])
