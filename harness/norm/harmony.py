"""Harmony: move the principal components of wells so that batches mix within clusters."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any, ClassVar, Self

import numpy as np
import pandas as pd

from harness.core.arrays import Doubles, Floats
from harness.core.exceptions import InputError
from harness.core.profiles import Plate
from harness.core.scope import FitScope
from harness.norm.base import Normalizer
from harness.norm.engine.standardized_wells import scale_of, well_means
from harness.numerics.eigen import leading_axes
from harness.settings.annotated_types import Count, NotNegative, Seed
from harness.settings.limits import OneOf

KEYS = ("batch", "plate")


class Harmony(Normalizer):
    """x - sd * (p - p*) V' (scope: transductive), p the well's principal components, p* Harmony's corrected ones.

    p = V' (well mean - mean) / sd over all filled wells; all sites of a well move by the same vector, so that
    features keep their meaning and everything outside the ``n_components`` axes V is left as it is. Empty wells are
    left alone.

    Parameters
    ----------
    key : ``batch`` or ``plate``: what is to be mixed.
    n_components : principal components that Harmony sees; at most as many as there are.
    theta : strength of the mixing; 0 none.
    max_iter : rounds of clustering and correction.
    seed : of the clustering.

    Raises
    ------
    InputError : harmonypy is not installed (an optional extra, GPL-3); an unknown ``key``; only one batch (or plate);
        a number of components below 1; fewer than 3 wells; a plate that took no part in the fit.

    Notes
    -----
    Needs batch labels and no controls. The correction belongs to the wells that were clustered together: there is no
    map for a new plate or batch, which must be normalized together with the others. Assumes that every batch holds
    the same kinds of cells in similar shares; where a phenotype follows the batch it is mixed away with it
    (over-normalizes: 14% of a planted batch-bound effect on simulated screens, 4-5% of one like the screen's own).
    Korsunsky et al. 2019, Nat. Methods 16.
    """

    scope = FitScope.TRANSDUCTIVE
    requires: ClassVar[tuple[str, ...]] = ("harmonypy",)
    needs = ("batches >= 2",)

    def __init__(
        self,
        *,
        key: Annotated[str, OneOf(*KEYS)] = "batch",
        n_components: Count = 20,
        theta: NotNegative = 2.0,
        max_iter: Count = 10,
        seed: Seed = 0,
    ) -> None:
        self.key = key
        self.n_components = n_components
        self.theta = theta
        self.max_iter = max_iter
        self.seed = seed

    def fit(self, plates: Sequence[Plate]) -> Self:
        harmonypy = self._check()
        self.scale_, self.wells_ = scale_of(plates, "harmony")
        level = {plate.name: str(plate.wells[self.key].iloc[0]) for plate in plates}
        if len({level[name] for name in self.wells_}) < 2:
            raise InputError(f"harmony: all wells lie in one {self.key}; at least two are needed to mix them")
        n_wells = sum(map(len, self.wells_.values()))
        G = len(self.scale_.sd)
        gram = np.zeros((G, G))
        for plate in plates:
            Z = self.scale_.apply(well_means(plate)[1])
            gram += Z.T @ Z
        k = min(self.n_components, int((self.scale_.sd > 0).sum()), n_wells - 1)
        self.axes_ = leading_axes(gram, k)
        scores = {plate.name: self.scale_.apply(well_means(plate)[1]) @ self.axes_ for plate in plates}
        names = sorted(self.wells_)  # Harmony draws by position: a fixed order of plates and wells
        points = np.concatenate([scores[name] for name in names])
        sizes = [len(self.wells_[name]) for name in names]
        moved = points - self._corrected(harmonypy, points, np.repeat([level[name] for name in names], sizes))
        self.change_ = dict(zip(names, np.split(moved, np.cumsum(sizes)[:-1]), strict=True))
        return self

    def transform(self, plate: Plate) -> Floats:
        if plate.name not in self.change_ and plate.filled.any():
            raise InputError(
                f"harmony: plate {plate.name!r} took no part in the fit and Harmony has no map for new plates; "
                "normalize it together with the others"
            )
        # the last row, all zero, is for empty wells
        change = np.vstack([self.change_.get(plate.name, self.axes_[:0]), np.zeros(self.axes_.shape[1])])
        position = pd.Index(self.wells_.get(plate.name, [])).get_indexer(pd.Index(plate.wells["well"]))
        return self.scale_.subtract(plate.X, change[np.where(plate.filled, position, -1)], self.axes_)

    def _check(self) -> Any:
        if self.key not in KEYS:
            raise InputError(f"harmony: key={self.key!r}: expected one of {', '.join(KEYS)}")
        if self.n_components < 1:
            raise InputError(f"harmony: n_components={self.n_components!r}: expected a whole number, at least 1")
        try:
            return import_module("harmonypy")
        except ModuleNotFoundError:
            raise InputError(
                "harmony: harmonypy is not installed; pip install 'normharness[harmony]' (GPL-3)"
            ) from None

    def _corrected(self, harmonypy: Any, points: Doubles, levels: Any) -> Doubles:
        """Return Harmony's components of all wells, (n_wells, k), for versions that return either orientation."""
        n, k = points.shape
        result = harmonypy.run_harmony(
            points,
            pd.DataFrame({self.key: levels}),
            [self.key],
            theta=float(self.theta),
            nclust=max(2, min(round(n / 30), 100)),
            max_iter_harmony=self.max_iter,
            random_state=self.seed,
            verbose=False,
        )
        corrected = np.asarray(result.Z_corr, dtype=np.float64)
        corrected = corrected.T if corrected.shape == (k, n) != (n, k) else corrected
        if corrected.shape != (n, k) or not np.isfinite(corrected).all():
            raise InputError(
                f"harmony: harmonypy returned {corrected.shape}, {np.isfinite(corrected).mean():.0%} finite; expected "
                f"{(n, k)}, all finite; try fewer norm.n_components"
            )
        return corrected
