"""Subtract from each feature what a straight line in the logarithm of the cell count explains."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Self

import numpy as np

from harness.core.arrays import Doubles, Floats, Mask
from harness.core.exceptions import InputError
from harness.core.profiles import Plate
from harness.core.scope import FitScope
from harness.norm.base import Normalizer
from harness.norm.engine.crossfit import check_folds, fold_of
from harness.norm.engine.exchangeable import MIN_CONTROLS
from harness.settings.annotated_types import Folds, Seed


class MissingCountsWarning(UserWarning):
    """Some wells have no cell count."""


class CellCount(Normalizer):
    """x - a - b log(1 + cell count), a and b by least squares on the training plates' controls (scope: train).

    Counts are those of the table, per site if it has one per site. A row without a count is not
    read by the fit, and is transformed as if it had the controls' mean log count (``MissingCountsWarning`` names plate
    and number). Nothing is divided by a spread: a feature that is constant on the controls has b = 0.

    Parameters
    ----------
    exchangeable : cross-fit: each fold of control wells is transformed by the line fitted to the other folds, any
        other well by that of a random fold. False is one line for all, the textbook form.
    n_folds : of the control wells.
    seed : of the folds.

    Raises
    ------
    InputError : no column ``cell_count``; a negative count; a plate without any; fewer than 3 control wells with a
        count in what a line is fitted to, or no two of them differ; fewer than 2 folds.

    Notes
    -----
    Assumes that in controls a feature follows the count for technical reasons (seeding, confluence), and that treated
    wells follow the same line. Over-normalizes wherever counts are biology: a toxic compound loses what goes with the
    death of cells, and beyond the range of the controls the line is extrapolated. One line for all plates: shifts of
    plates that go with their counts enter b, and no other batch effect is removed (put ``dmso_within`` before it).
    Works for an unseen batch. Cell count as a covariate: Caicedo et al. 2017, Nat. Methods 14.
    """

    scope = FitScope.TRAIN
    needs = ("plates_without_cell_counts <= 0", "controls >= 3")

    def __init__(self, *, exchangeable: bool = True, n_folds: Folds = 5, seed: Seed = 0) -> None:
        self.exchangeable = exchangeable
        self.n_folds = n_folds
        self.seed = seed

    def fit(self, plates: Sequence[Plate]) -> Self:
        check_folds("CellCount", self.n_folds)
        n_folds = self.n_folds if self.exchangeable else 1
        self.reference_: dict[str, list[str]] = {}
        parts = [_Line(plates[0].X.shape[1]) for _ in range(n_folds)]
        wells = np.zeros(n_folds, dtype=np.int64)
        for plate in plates:
            t = _log_counts(plate)
            read = plate.negcon & np.isfinite(t)
            if not read.any():
                continue
            self.reference_[plate.name] = sorted(plate.wells.loc[read, "well"].unique())
            fold = self._folds(plate)
            for f in np.unique(fold[read]):
                rows = read & (fold == f)
                parts[f].add(plate.X[rows], t[rows])
                wells[f] += plate.wells.loc[rows, "well"].nunique()
        lines = [_merged([p for g, p in enumerate(parts) if n_folds == 1 or g != f]) for f in range(n_folds)]
        for f, line in enumerate(lines):
            left = int(wells.sum() - (wells[f] if n_folds > 1 else 0))
            if left < MIN_CONTROLS or line.level:
                problem = f"{left} control wells with a cell count" if left < MIN_CONTROLS else "controls of one count"
                raise InputError(
                    f"CellCount: {problem} to fit a line to, at least {MIN_CONTROLS} wells of different counts are "
                    "needed; check data.columns.cell_count and data.controls, or choose another norm"
                )
        self.log_count_ = np.array([line.t for line in lines])
        self.mean_ = np.stack([line.x for line in lines])
        self.slope_ = np.stack([line.tx / line.tt for line in lines])
        return self

    def _folds(self, plate: Plate) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        n_folds = self.n_folds if self.exchangeable else 1
        return fold_of(plate, self.reference_.get(plate.name, []), n_folds, self.seed)

    def transform(self, plate: Plate) -> Floats:
        t = _log_counts(plate)
        missing: Mask = np.isnan(t)
        if missing.all():
            raise InputError(
                f"CellCount: plate {plate.name!r} has no cell counts; leave it out (data.exclude_plates) or add them"
            )
        if missing.any():
            warnings.warn(
                f"CellCount: plate {plate.name!r} has {missing.sum()} rows without a cell count: they are transformed "
                "as if they had the controls' mean",
                MissingCountsWarning,
                stacklevel=2,
            )
        fold = self._folds(plate)
        out = np.empty(plate.X.shape, dtype=np.float32)
        for f in np.unique(fold):
            rows = fold == f
            high = self.mean_[f].astype(np.float32)
            deviation = np.where(missing[rows], 0, t[rows] - self.log_count_[f])
            explained = np.outer(deviation, self.slope_[f]) + (self.mean_[f] - high)
            out[rows] = (plate.X[rows] - high) - explained
        return out


class _Line:
    """Means of log count and features with their centred sums of products; two of them can be merged."""

    def __init__(self, n_features: int) -> None:
        self.n, self.t, self.tt = 0, 0.0, 0.0
        self.x, self.tx = np.zeros((2, n_features))

    @property
    def level(self) -> bool:
        """Whether all counts are equal, as far as float64 can tell."""
        return self.tt <= self.n * (1e-12 * self.t) ** 2

    def add(self, X: Floats, t: Doubles) -> None:
        rows = _Line(X.shape[1])
        values = X.astype(np.float64)
        rows.n, rows.t, rows.x = len(t), float(t.mean()), values.mean(axis=0)
        values -= rows.x
        rows.tt, rows.tx = float(((t - rows.t) ** 2).sum()), (t - rows.t) @ values
        self.merge(rows)

    def merge(self, other: _Line) -> None:
        n = self.n + other.n
        share = other.n / max(n, 1)
        t, x = other.t - self.t, other.x - self.x
        self.tt += other.tt + t * t * self.n * share
        self.tx = self.tx + other.tx + x * (t * self.n * share)
        self.t, self.x, self.n = self.t + t * share, self.x + x * share, n


def _merged(parts: Sequence[_Line]) -> _Line:
    total = _Line(len(parts[0].x))
    for part in parts:
        total.merge(part)
    return total


def _log_counts(plate: Plate) -> Doubles:
    """Return log(1 + cell count) of each row, NaN if it has no count."""
    if "cell_count" not in plate.wells:
        raise InputError(
            f"CellCount: plate {plate.name!r} has no column cell_count; map one with data.columns.cell_count, or "
            "choose another norm"
        )
    counts = plate.wells["cell_count"].to_numpy(dtype=np.float64, na_value=np.nan)
    if (counts < 0).any():
        well = plate.wells["well"].to_numpy()[counts < 0][0]
        raise InputError(
            f"CellCount: plate {plate.name!r}, well {well!r} has the cell count {counts[counts < 0][0]:g}; counts are "
            "0 or more: correct the column cell_count"
        )
    return np.asarray(np.log1p(counts))
