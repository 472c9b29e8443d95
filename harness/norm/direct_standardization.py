"""Calibration transfer: map each batch to a reference batch by compounds and controls measured in both."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self, cast

import numpy as np
import pandas as pd

from harness.core.arrays import Doubles, Floats
from harness.core.exceptions import InputError
from harness.core.profiles import Plate
from harness.core.scope import FitScope
from harness.norm.engine.crossfit import CrossFitted
from harness.norm.engine.standardized_wells import scale_of, well_means
from harness.norm.engine.transfer_set import (
    MIN_SHARED,
    PENALTIES,
    Controls,
    Transfer,
    TransferSet,
    by_batch,
    controls_of,
    controls_only,
    quantiles_by_batch,
    standards,
)
from harness.numerics.constant_features import CENTRED, LEFT_ALONE, centres
from harness.numerics.eigen import leading_axes
from harness.numerics.standardize import fallback_report
from harness.settings.annotated_types import Count, Folds, Name, NotNegative, Seed
from harness.settings.limits import OneOf


class DirectStandardization(CrossFitted):
    """mean_ref + (x - mean_b) (I + change_b) in PCA space; the rest of x stays (scope: train_and_controls).

    The means are those of controls. ``change_b`` is a ridge regression, held at 0, of transfer standards in the
    reference batch on the same in batch b: controls, and compounds (by name) that both batches hold.

    Parameters
    ----------
    reference : batch to map to; None takes the training batch with most control wells (first by name among equals).
    n_components : axes, at most, of the PCA of z-scored training wells.
    penalty : of the ridge, in units of the mean variance of the standards. ``auto`` takes the one that best predicts
        compounds left out, or quantiles of controls left out where no two training batches share 5 compounds.
    exchangeable : cross-fit: means and maps leave out the fold of the well, control or not. False is the textbook form.
    n_folds : of wells. ``seed`` : of the folds.
    on_constant : what becomes of a feature that is constant on all training wells, which has no part in the axes:
        ``centre`` makes it 0, on any plate, ``leave`` leaves it as it is. It is reported.

    Raises
    ------
    InputError : one training batch; an unknown reference or ``on_constant``; a batch with fewer than 3 control wells
        once a fold is left out.

    Notes
    -----
    Wang, Veltkamp, Kowalski 1991, Anal. Chem. 63, measure the same samples on two instruments. Controls are not such
    samples: no well of one batch is a well of the other, and pairing them by position would regress noise on noise and
    shrink everything. They are paired by rank on each axis, on the assumption that they are one population: that sets
    an offset and a gain per axis. A rotation is learnt from shared compounds only, so never for an unseen batch, of
    which only controls are read. Where shared compounds have no effect they teach nothing, and doses of a compound are
    averaged. Over-normalizes where controls, or what a compound does, truly differ between batches.
    """

    scope = FitScope.TRAIN_AND_CONTROLS
    needs = ("batches >= 3", "controls_per_batch >= 4")
    reads = ("compound",)
    transfer_: list[Transfer]

    def __init__(
        self,
        *,
        reference: Name | None = None,
        n_components: Count = 100,
        penalty: NotNegative | Annotated[str, OneOf("auto")] = "auto",
        exchangeable: bool = True,
        n_folds: Folds = 5,
        seed: Seed = 0,
        on_constant: Literal["centre", "leave"] = "centre",
    ) -> None:
        self.reference = reference
        self.n_components = n_components
        self.penalty = penalty
        self.exchangeable = exchangeable
        self.n_folds = n_folds
        self.seed = seed
        self.on_constant = on_constant

    def fit(self, plates: Sequence[Plate]) -> Self:
        self._check()
        self._read_reference(plates, "on the training plates", {})
        self.training_reference_ = self.reference_
        self.scale_, _ = scale_of(plates, type(self).__name__)
        self.axes_ = self._principal_axes(plates)
        scores, wells = self._scores(plates)
        self.target_ = self._target(wells)
        rows_by_fold = [wells["fold"].isin(folds).to_numpy() for folds in self._folds_read]
        tables = [by_batch(scores[rows], wells[rows], self._enough) for rows in rows_by_fold]
        self.controls_ref_ = [table[self.target_][0] for table in tables]
        pairs = {
            batch: [standards(t[batch][0], t[self.target_][0], t[batch][1], t[self.target_][1]) for t in tables]
            for batch in tables[0]
            if batch != self.target_
        }
        self.penalty_ = self._best_penalty(pairs, scores, wells)
        self.transfers_ = {b: [part.transfer(self.penalty_) for part in parts] for b, parts in pairs.items()}
        return self

    def adapt(self, controls: Sequence[Plate]) -> Self:
        adapted = copy.copy(self)
        batch = str(controls[0].wells["batch"].iloc[0]) if len(controls) else ""
        if batch == self.target_:
            still = np.zeros((self.axes_.shape[1],) * 2)
            adapted.transfer_ = [Transfer(c.mean, c.mean, still) for c in self.controls_ref_]
        elif batch in self.transfers_:
            adapted.transfer_ = self.transfers_[batch]
        else:
            adapted._read_reference(
                controls, f"in batch {batch!r}" if batch else "in a batch", self.training_reference_
            )
            scores, wells = adapted._scores(controls)
            by_fold = [controls_of(scores[wells["fold"].isin(folds).to_numpy()]) for folds in self._folds_read]
            both = zip(by_fold, self.controls_ref_, strict=True)
            adapted.transfer_ = [controls_only(source, ref).transfer(self.penalty_) for source, ref in both]
        return adapted

    def transform(self, plate: Plate) -> Floats:
        fold = self._fold(plate)
        scores = self.scale_.scores(plate.X, self.axes_)
        change = np.empty_like(scores)
        for f in np.unique(fold):
            rows = fold == f
            change[rows] = scores[rows] - self.transfer_[f](scores[rows])
        out = self.scale_.subtract(plate.X, change, self.axes_)
        if centres(type(self).__name__, self.on_constant):
            out[:, self.scale_.sd == 0] = 0
        return out

    def report(self) -> pd.DataFrame:
        code = CENTRED if centres(type(self).__name__, self.on_constant) else LEFT_ALONE
        return fallback_report("training plates", np.where(self.scale_.sd == 0, code, 0).astype(np.int8))

    def _check(self) -> None:
        centres(type(self).__name__, self.on_constant)
        if not isinstance(self.n_components, int) or self.n_components < 1:
            raise InputError(f"DirectStandardization: n_components {self.n_components!r}; expected a whole number >= 1")
        if self.penalty != "auto" and not (isinstance(self.penalty, float | int) and self.penalty >= 0):
            raise InputError(f"DirectStandardization: penalty {self.penalty!r}; expected a number >= 0 or 'auto'")

    def _principal_axes(self, plates: Sequence[Plate]) -> Doubles:
        G = len(self.scale_.sd)
        gram, n = np.zeros((G, G)), 0
        for plate in plates:
            Z = self.scale_.apply(well_means(plate)[1])
            gram += Z.T @ Z
            n += len(Z)
        return leading_axes(gram, min(self.n_components, n - 1, int((self.scale_.sd > 0).sum())))

    def _scores(self, plates: Sequence[Plate]) -> tuple[Doubles, pd.DataFrame]:
        """Return the scores of the filled wells, (n, k), and their batch, compound (None if unknown) and fold."""
        scores, tables = [], []
        for plate in plates:
            names, means = well_means(plate)
            if names:
                first = plate.wells.assign(fold=self._fold(plate), control=plate.negcon).drop_duplicates("well")
                table = first.set_index("well").reindex(names).reset_index()
                compound: Any = (
                    table["compound"] if "compound" in table else pd.Series(None, index=table.index, dtype=object)
                )
                table["compound"] = compound.where(~table["control"])
                tables.append(table[["batch", "compound", "control", "fold"]].astype({"batch": str}))
                scores.append(self.scale_.apply(cast(Floats, means)) @ self.axes_)
        return np.concatenate(scores), pd.concat(tables, ignore_index=True)

    def _target(self, wells: pd.DataFrame) -> str:
        n = wells.groupby("batch")["control"].sum().sort_index()
        if len(n) < 2:
            raise InputError(
                f"DirectStandardization: one training batch, {n.index[0]!r}; a second one is needed to map"
            )
        if self.reference is not None and self.reference not in n.index:
            raise InputError(
                f"DirectStandardization: norm.reference={self.reference} is no training batch; "
                f"choose one of {list(n.index)}"
            )
        return str(n.idxmax()) if self.reference is None else self.reference

    def _enough(self, batch: str, scores: Doubles) -> Controls:
        if len(scores) < 3:
            raise InputError(
                f"DirectStandardization: batch {batch!r} has {len(scores)} negative control wells once a fold is "
                "left out, at least 3 are needed; leave the batch out or raise norm.n_folds"
            )
        return controls_of(scores)

    def _best_penalty(self, pairs: dict[str, list[TransferSet]], scores: Doubles, wells: pd.DataFrame) -> float:
        """Return the penalty of least error over training batches, by compounds if any two share enough of them."""
        if not isinstance(self.penalty, str):
            return float(self.penalty)
        rich = [part for parts in pairs.values() for part in parts if len(part.A) >= MIN_SHARED]
        errors = np.zeros(len(PENALTIES)) + sum(part.errors_on_compounds() for part in rich)
        if not rich:
            control = wells["control"].to_numpy()
            for f, folds in enumerate(self._folds_read):
                rows = control & ~wells["fold"].isin(folds).to_numpy()
                quantiles = quantiles_by_batch(scores[rows], wells[rows])
                for batch in sorted(quantiles.keys() & pairs.keys()) if self.target_ in quantiles else ():
                    errors += pairs[batch][f].errors_on_controls(quantiles[batch], quantiles[self.target_])
        return float(PENALTIES[int(np.argmin(errors))])
