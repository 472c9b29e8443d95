"""B-score: take row and column effects out of each plate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Self

import numpy as np
import pandas as pd

from harness.core.arrays import Doubles, Floats, Mask
from harness.core.exceptions import InputError
from harness.core.profiles import Plate
from harness.core.scope import FitScope
from harness.data.wells.aggregation import sites_to_wells
from harness.norm.base import Normalizer
from harness.norm.engine.crossfit import check_folds, fold_of
from harness.norm.engine.exchangeable import check_controls, control_index
from harness.numerics.constant_features import CENTRE, CENTRED, LEFT_ALONE, centres
from harness.numerics.leave_one_out_quantiles import MAD_TO_SD, mad, median
from harness.numerics.median_polish import Codes, position_effects
from harness.numerics.moments import moments_of, resolution
from harness.numerics.standardize import fallback_report, standardize_groups
from harness.settings.annotated_types import Folds, Seed
from harness.settings.limits import OneOf

REFERENCES = ("all", "controls")


class WellPosition(Normalizer):
    """(x - plate - row - column effect) / (1.4826 MAD of such residuals), by median polish (scope: plate).

    The polish runs over wells (medians of their sites; empty wells are not read), and all sites of a well share its
    expectation. Wells may be missing; a row or column without a well in the reference takes the median effect of the
    others. A feature whose residuals have MAD 0 in the reference takes that of all wells; if that is 0 too,
    ``on_constant`` decides, and it is reported.

    Parameters
    ----------
    reference : the wells that effects and MAD are estimated from: ``all``, which treats every well alike, or
        ``controls``.
    exchangeable : with ``controls``, cross-fit: a control well's effects come from the other folds of controls, any
        other well's from a random choice of folds; the MAD is that of residuals from effects that did not read the
        well, over the same folds. False is one polish, in which controls are in-sample. No effect with ``all``.
    n_folds : of the control wells of a plate (fewer where there are fewer wells).
    seed : of the folds.
    on_constant : what becomes of a feature whose residuals have MAD 0. ``centre`` subtracts its effects and does not
        rescale: what most wells share becomes 0 and the few others keep their distance; a feature that is constant on
        the plate becomes 0 throughout. ``leave`` leaves it alone.

    Raises
    ------
    InputError : no columns ``row`` and ``column``, or a well without; reference wells that lie in one row or column, or
        are no more than the effects to be told (rows + columns - 1); fewer than 3 control wells (``controls``);
        an unknown reference or ``on_constant``; fewer than 2 folds.

    Notes
    -----
    Assumes with ``all`` that most wells of every row and column do nothing, and with ``controls`` that these are spread
    over rows and columns. Over-normalizes where compounds or controls are tied to places: the same layout on
    every plate, controls in columns of their own, a compound's doses along a row. The effect of the place then *is* the
    compound, and goes. One plate does not show that: the ``confounding`` audit and the position-bound spike-in do.
    Works for an unseen batch. Brideau et al. 2003, J. Biomol. Screen. 8 (B-score); Malo et al. 2006, Nat. Biotechnol.
    24.
    """

    scope = FitScope.PLATE
    is_monotone = True
    needs = ("wells_without_position <= 0",)

    def __init__(
        self,
        *,
        reference: Annotated[str, OneOf(*REFERENCES)] = "all",
        exchangeable: bool = True,
        n_folds: Folds = 5,
        seed: Seed = 0,
        on_constant: Literal["centre", "leave"] = "centre",
    ) -> None:
        self.reference = reference
        self.exchangeable = exchangeable
        self.n_folds = n_folds
        self.seed = seed
        self.on_constant = on_constant

    def fit(self, plates: Sequence[Plate]) -> Self:
        (plate,) = plates
        if self.reference not in REFERENCES:
            raise InputError(f"WellPosition: reference {self.reference!r} is unknown; choose one of {list(REFERENCES)}")
        check_folds("WellPosition", self.n_folds)
        centre = centres(type(self).__name__, self.on_constant)
        self.plate_ = plate.name
        codes, wells = pd.factorize(plate.wells["well"])
        self.wells_ = [str(w) for w in wells]
        first = np.unique(codes, return_index=True)[1]
        row, column = _grid(plate, first)
        shape = int(row.max()) + 1, int(column.max()) + 1
        X = sites_to_wells(plate.X, codes, "median")
        filled = plate.filled[first]
        reference, folds = self._reference_wells(plate, first)
        _check_layout(plate.name, self.reference, row[reference], column[reference])

        def residuals(read: Mask, predicted: Mask) -> tuple[Doubles, Floats]:
            """Return expectations and residuals of the wells ``predicted``, from the effects in the wells ``read``."""
            level, rows, columns = position_effects(X[read], row[read], column[read], shape)
            expected = rows[row[predicted]]
            expected += level
            expected += columns[column[predicted]]
            return expected, (X[predicted] - expected).astype(np.float32)

        n_folds = int(folds.max()) + 1
        self.mean_ = np.empty(X.shape)
        everyone: list[Floats] = []
        rest: list[list[Floats]] = [[] for _ in range(n_folds)]
        for f in range(n_folds):
            read = reference & (folds != f) if n_folds > 1 else reference
            expected, deviations = residuals(read, np.ones(len(X), dtype=bool))
            self.mean_[folds == f] = expected[folds == f]
            everyone.append(deviations[filled & ~read] if n_folds > 1 else deviations[filled])
            if n_folds == 1:
                rest[f].append(deviations[reference])
            for g in range(f):
                pair = reference & ((folds == f) | (folds == g))
                deviations = residuals(reference & ~pair, pair)[1]
                rest[f].append(deviations[folds[pair] == g])
                rest[g].append(deviations[folds[pair] == f])
        mads = np.stack([mad(np.concatenate(parts)) for parts in rest])
        self._scale(median(X[filled]), mads, everyone, folds)
        if centre:
            self._centre(plate)
        return self

    def _reference_wells(self, plate: Plate, first: Codes) -> tuple[Mask, Codes]:
        """Return which wells effects are estimated from, (n_wells,), and their folds; ``first`` is a row of each."""
        folds = np.zeros(len(first), dtype=np.int64)
        if self.reference != "controls":
            return plate.filled[first], folds
        controls = check_controls(plate, type(self).__name__)
        if self.exchangeable:
            folds = fold_of(plate, controls, min(self.n_folds, len(controls)), self.seed)[first]
        return plate.negcon[first], folds

    def _scale(self, level: Doubles, mads: Doubles, everyone: list[Floats], folds: Codes) -> None:
        tiny = resolution(level)
        zero = mads <= tiny
        flat = np.zeros_like(zero)
        scale = MAD_TO_SD * mads
        concerned = zero.any(axis=0)
        if concerned.any():
            everything = np.zeros_like(mads)
            everything[:, concerned] = [mad(deviations[:, concerned]) for deviations in everyone]
            flat = zero & (everything <= tiny)
            scale[zero] = MAD_TO_SD * everything[zero]
            if self.on_constant == CENTRE:
                flat |= flat.any(axis=0)
            else:
                self.mean_[flat[folds]] = 0
            scale[flat] = 1
        self.fold_, self.sd_ = folds, scale
        self.fallback_ = np.select([flat, zero], [CENTRED if self.on_constant == CENTRE else LEFT_ALONE, 1])
        self.fallback_ = self.fallback_.astype(np.int8)

    def _centre(self, plate: Plate) -> None:
        """Set to 0 the features that are constant on the plate."""
        flat = (self.fallback_ == CENTRED).any(axis=0)
        if flat.any():
            constant = flat & (moments_of(plate.X, flat, rows=plate.filled).sd == 0)
            self.mean_[:, constant], self.sd_[:, constant] = 0, np.inf

    def transform(self, plate: Plate) -> Floats:
        well = control_index(plate, self.wells_)
        return standardize_groups(plate.X, well, self.mean_, self.sd_, self.fold_)

    def report(self) -> pd.DataFrame:
        return fallback_report(self.plate_, self.fallback_)


def _grid(plate: Plate, first: Codes) -> tuple[Codes, Codes]:
    """Return row and column number of each well, from 0."""
    missing = [c for c in ("row", "column") if c not in plate.wells]
    if missing:
        raise InputError(
            f"WellPosition: plate {plate.name!r} has no columns {missing}; it needs row and column of every well, "
            "which are read off names such as B02: check data.columns.well"
        )
    table = plate.wells.iloc[first]
    unknown = table[["row", "column"]].isna().any(axis=1).to_numpy()
    if unknown.any():
        raise InputError(
            f"WellPosition: plate {plate.name!r}, well {table['well'].to_numpy()[unknown][0]!r} has no row or column; "
            "every well needs both: name wells such as B02"
        )
    return tuple(pd.factorize(table[c], sort=True)[0].astype(np.int64) for c in ("row", "column"))  # type: ignore[return-value]


def _check_layout(plate: str, reference: str, row: Codes, column: Codes) -> None:
    n_rows, n_columns = len(np.unique(row)), len(np.unique(column))
    effects = n_rows + n_columns - 1
    if min(n_rows, n_columns) < 2 or len(row) <= effects:
        raise InputError(
            f"WellPosition: plate {plate!r} has {len(row)} reference wells ({reference}) in {n_rows} rows and "
            f"{n_columns} columns, more than {effects} in at least 2 rows and 2 columns are needed to tell their "
            "effects; choose another norm"
        )
