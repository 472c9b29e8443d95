"""Folds of wells for methods that cannot leave out one control at a time: fit without a fold, transform that fold.

A reference well is transformed by the fit that did not read it, and every other well by the fit of a fold drawn at
random, so that controls and treated wells are out-of-sample alike (see :mod:`harness.norm.engine.exchangeable`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.core.arrays import Doubles, Mask
from harness.core.exceptions import InputError
from harness.core.plate import Plate
from harness.core.seeding import derive
from harness.core.well_facts import read_only
from harness.norm.base import Normalizer
from harness.norm.engine.exchangeable import MIN_CONTROLS, control_wells
from harness.numerics.constant_features import CENTRED, LEFT_ALONE, centres
from harness.numerics.covariance import union
from harness.numerics.moments import Moments, moments_of

Codes = NDArray[np.int64]


def check_folds(method: str, n_folds: int) -> None:
    """Refuse too few folds to leave one out (InputError)."""
    if n_folds < 2:
        raise InputError(f"{method}: n_folds is {n_folds}; expected at least 2, e.g. norm.n_folds=5")


def fold_of(plate: Plate, reference: Sequence[str], n_folds: int, seed: int) -> NDArray[np.int64]:
    """Return the fold of each row, (n_rows,), 0 to ``n_folds`` - 1; all sites of a well share it.

    Parameters
    ----------
    reference : names of this plate's control wells that a fit has read (none for a plate that it has not seen). They
        are dealt evenly, in an order and from a fold that are hashes of seed, plate and well. Any other well takes the
        fold of one of them, drawn by a hash: folds differ in size, and so do the statistics without them, which must
        not tell controls from others. Where there are none, wells are hashed to folds.

    Nothing depends on the order of rows or on other plates. All 0 where there is one fold.
    """
    if n_folds == 1:
        return np.zeros(len(plate.wells), dtype=np.int64)
    key = "folds", plate.name, tuple(reference), n_folds, seed
    return plate.facts.cached(key, lambda: _folds(plate, reference, n_folds, seed))


def _folds(plate: Plate, reference: Sequence[str], n_folds: int, seed: int) -> NDArray[np.int64]:
    ordered = sorted(reference, key=lambda well: derive(seed, "fold", plate.name, well))
    first = derive(seed, "first fold", plate.name)
    dealt = {well: (first + i) % n_folds for i, well in enumerate(ordered)}
    codes, wells = pd.factorize(plate.wells["well"])
    of_controls = [dealt[well] for well in ordered] or range(n_folds)
    folds = [dealt.get(w, of_controls[derive(seed, "fold", plate.name, w) % len(of_controls)]) for w in wells]
    return read_only(np.asarray(folds, dtype=np.int64)[codes])


class CrossFitted(Normalizer):
    """A normalizer by statistics of controls: one set per fold, without that fold's controls, or a single set."""

    exchangeable: bool
    n_folds: int
    seed: int
    on_constant: str
    reference_: dict[str, list[str]]

    @property
    def _folds_read(self) -> list[list[int]]:
        """The folds that each set of statistics reads."""
        if not self.exchangeable:
            return [[0]]
        return [[g for g in range(self.n_folds) if g != f] for f in range(self.n_folds)]

    def _fold(self, plate: Plate) -> Codes:
        """Return the number of the statistics that transform each row, (n_rows,)."""
        return fold_of(plate, self.reference_.get(plate.name, []), self._n_groups(), self.seed)

    def _control_fold(self, plate: Plate) -> Codes:
        """Return the fold of the rows of control wells, -1 for all others, (n_rows,)."""
        return np.where(plate.negcon, self._fold(plate), -1)

    def _n_groups(self) -> int:
        return self.n_folds if self.exchangeable else 1

    def _read_reference(self, plates: Sequence[Plate], where: str, earlier: Mapping[str, list[str]]) -> None:
        """Set ``reference_``: the control wells of ``plates``; those in ``earlier`` stay in the folds that they have.

        Raises
        ------
        InputError : n_folds below 2, fewer than 3 control wells once a fold is left out.
        """
        if self.exchangeable:
            check_folds(type(self).__name__, self.n_folds)
        wells = {plate.name: names for plate in plates if (names := control_wells(plate))}
        self.reference_ = {**wells, **earlier}
        sizes = np.zeros(self._n_groups(), dtype=np.int64)
        for plate in plates:
            rows = plate.wells.loc[plate.negcon].drop_duplicates("well").index
            sizes += np.bincount(self._fold(plate)[rows], minlength=len(sizes))
        read, least = int(sizes.sum()), int(min(sizes[folds].sum() for folds in self._folds_read))
        if least < MIN_CONTROLS:
            raise InputError(
                f"{type(self).__name__}: {read} negative control wells {where}, {least} where a fold is left out, at "
                f"least {MIN_CONTROLS} are needed; check data.controls, or choose a normalization that needs no "
                "controls, e.g. all_within"
            )

    def _standardization(
        self, plates: Sequence[Plate], moments: Moments
    ) -> tuple[Doubles, Doubles, NDArray[np.int8], Mask]:
        """Return mean and sd (divisor n - 1) of controls, one row per set of statistics, (F, G), from moments by fold.

        A feature without variance in any of the sets takes mean and sd of all filled wells in all of them. Without
        variance there too it takes mean 0 and an infinite sd, which make it 0 (``on_constant`` is centre), or 0 and 1.
        ``fallback`` (G,) says which, as :func:`harness.numerics.standardize.location_scale`; ``active`` (G,) are the
        others.
        """
        centre = centres(type(self).__name__, self.on_constant)
        parts = [union(moments, folds) for folds in self._folds_read]
        mean = np.stack([part.mean for part in parts])
        sd = np.stack([part.sd * np.sqrt(part.n / np.maximum(part.n - 1, 1)) for part in parts])
        zero = (sd == 0).any(axis=0)
        fallback = np.zeros(len(zero), dtype=np.int8)
        if zero.any():
            every = Moments(np.float64(0), np.zeros(len(zero)), np.zeros(len(zero)))
            for plate in plates:
                every = every.merge(moments_of(plate.X, zero, rows=plate.filled))
            alone = every.sd == 0
            mean[:, zero] = np.where(alone, 0.0, every.mean)[zero]
            sd[:, zero] = np.where(alone, np.inf if centre else 1.0, every.sd)[zero]
            fallback[zero] = np.where(alone, CENTRED if centre else LEFT_ALONE, 1)[zero]
        if zero.all():
            raise InputError(f"{type(self).__name__}: no feature varies between negative controls; check data.controls")
        return mean, sd, fallback, ~zero
