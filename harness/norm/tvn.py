"""Typical variation normalization: whiten by the training controls, then align each batch's controls."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.core.arrays import Floats
from harness.core.exceptions import InputError
from harness.core.profiles import Plate
from harness.core.scope import FitScope
from harness.norm.coral import Coral
from harness.numerics.covariance import Groups
from harness.numerics.eigen import Spectrum
from harness.numerics.shrinkage import best, held_out, plate_folds
from harness.numerics.standardize import fallback_report
from harness.settings.annotated_types import Count, Folds, NotNegative, Seed
from harness.settings.limits import OneOf


class Tvn(Coral):
    """PCA of z-scored training controls, each axis to unit variance, then CORAL per batch (scope: train_and_controls).

    The scores are rotated back to the features (U L^-1/2 U^T, as in ZCA): distances and angles are those of Ando et al.
    in PCA space, the columns keep the names of the features, and the folds of the cross-fit, whose axes differ in sign
    and order, stay comparable.

    Parameters
    ----------
    n_components : axes to scale one by one. A number k: the others, which controls are too few to tell apart, are not
        dropped but share their mean variance (probabilistic PCA). ``all``: the method as published; needs more control
        rows than features. ``auto``: the k of highest Gaussian likelihood of controls on training
        plates left out (3 folds).
    shrinkage : lambda of CORAL, in units of the variance of the training controls (see :class:`Coral`).
    exchangeable : cross-fit both steps: statistics leave out the fold of the well's own controls. False is the textbook
        form.
    n_folds : of wells. ``seed`` : of the folds.
    on_constant : what becomes of a feature that is constant on all training wells: ``centre`` makes it 0, on any plate,
        ``leave`` leaves it alone.

    Raises
    ------
    InputError : a batch, or the training plates, with fewer than 3 control wells once a fold is left out; n_components
        that is not below the rank of the covariance of controls; ``all`` and a singular covariance; an unknown
        ``on_constant``; ``auto`` where no controls that are left out can be compared with others.

    Notes
    -----
    Works for an unseen batch, by its controls. Assumes that whatever varies among controls is nuisance: over-normalizes
    where a phenotype lies along the same axes. A feature without variance among the training controls takes no part:
    it is z-scored by all training wells. Ando, McLean, Berndl 2017, bioRxiv 161422; Tipping & Bishop 1999, J. R. Stat.
    Soc. B 61.
    """

    scope = FitScope.TRAIN_AND_CONTROLS

    def __init__(
        self,
        *,
        n_components: Count | Annotated[str, OneOf("auto", "all")] = "auto",
        shrinkage: NotNegative = 1.0,
        exchangeable: bool = True,
        n_folds: Folds = 5,
        seed: Seed = 0,
        on_constant: Literal["centre", "leave"] = "centre",
    ) -> None:
        super().__init__(
            shrinkage=shrinkage, exchangeable=exchangeable, n_folds=n_folds, seed=seed, on_constant=on_constant
        )
        self.n_components = n_components

    def _learn(self, plates: Sequence[Plate], groups: Groups) -> None:
        size = len(groups.scale)
        self.k_ = self._number_of_axes(plates, groups, size)
        for folds, sd in zip(self._folds_read, self.sd_, strict=True):
            spectrum = groups.spectrum(folds, sd[self.active_])
            rank = len(spectrum.values)
            if self.k_ >= rank < size:
                raise InputError(
                    f"Tvn: n_components={self.n_components}, but the covariance of controls in {size} features has "
                    f"rank {rank}; choose norm.n_components below that, or auto"
                )
            model = spectrum.truncated(self.k_)
            self.first_.append(model.matrix(-0.5).astype(np.float32))
            variances = spectrum.values.copy()
            variances[: self.k_] = 1.0
            variances[self.k_ :] /= model.rest
            self.color_.append(Spectrum(variances, spectrum.axes).plus(self.shrinkage).power(0.5))

    def _number_of_axes(self, plates: Sequence[Plate], groups: Groups, size: int) -> int:
        match self.n_components:
            case "all":
                return size
            case "auto":
                codes, k = plate_folds(plates, self._control_fold, self._n_groups(), self.seed)
                if k < 2:
                    raise InputError("Tvn: n_components=auto needs controls on two training plates, got one plate")
                scale = groups.scale
                parts = held_out(plates, (codes, k), scale, scale, self.active_, "Tvn: norm.n_components")
                most = min(min(len(part.fitted.values) for part in parts), size) - 1
                counts = sorted({int(c) for c in np.geomspace(1, max(1, most), 40)})
                return counts[best(parts, [partial(Spectrum.truncated, k=c) for c in counts])]
            case int() if 1 <= self.n_components <= size:
                return self.n_components
            case _:
                raise InputError(
                    f"Tvn: n_components {self.n_components!r}; expected 1 to {size} (features that vary among "
                    "controls), 'all' or 'auto'"
                )

    def _finished(self, plate: Plate, Z: Floats, fold: NDArray[np.int64]) -> Floats:  # noqa: ARG002
        return Z  # what is constant on the training wells is 0 already

    def report(self) -> pd.DataFrame:
        return fallback_report("training plates", self.fallback_)
