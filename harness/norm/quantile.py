"""Map the quantiles of each plate's controls to those of the training plates' controls."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.core.arrays import Doubles, Floats, Mask
from harness.core.exceptions import InputError
from harness.core.profiles import Plate
from harness.core.scope import FitScope
from harness.norm.base import Normalizer
from harness.norm.engine.crossfit import check_folds, fold_of
from harness.norm.engine.exchangeable import (
    MIN_CONTROLS,
    check_controls,
    control_index,
    control_wells,
    left_out_control,
)
from harness.numerics.constant_features import CENTRED, LEFT_ALONE, centres
from harness.numerics.leave_one_out_quantiles import left_out_quantiles, quantiles
from harness.numerics.moments import resolution
from harness.numerics.standardize import fallback_report
from harness.settings.annotated_types import Folds, Seed
from harness.utils.parallel import n_threads, ordered

PROBABILITIES = (0.1, 0.25, 0.5, 0.75, 0.9)
_BLOCK = 256  # features whose pooled quantiles are computed at a time
_RUN = 16  # rows mapped at a time: 256 KB at 4,096 features


@dataclass(frozen=True)
class PlateControls:
    """Controls of one plate: wells, the fold of each, and the quantiles without each, (k, 5, G); or (1, 5, G)."""

    wells: list[str]
    fold: NDArray[np.int64]
    quantiles: Doubles


class Quantile(Normalizer):
    """Q_train(F_plate(x)): F of the plate's controls, Q of the training plates' (scope: train_and_controls).

    F and Q are estimated at the quantiles 0.1, 0.25, 0.5, 0.75, 0.9 (Hazen) and linear in between: the few controls of
    a plate do not show more. Beyond the outer two, where phenotypes lie, the map goes on as a line whose slope is the
    ratio of the interquartile ranges: it is nowhere cut off, and keeps the order. A feature whose interquartile range
    is 0 on the plate's controls or in the pool has no such map: ``on_constant`` decides, and it is reported.

    Parameters
    ----------
    exchangeable : a control well is left out of the quantiles of its plate, and of the pool with the rest of its fold;
        every other well of the plate leaves out one control drawn at random. False is the textbook form.
    n_folds : of the control wells, for the pool.
    seed : of folds and draws.
    on_constant : what becomes of a feature without interquartile range. ``centre`` shifts the median of the plate's
        controls to the median of the pool, one number for all wells of the screen, or to 0 where the pool has no range
        either; ``leave`` leaves it alone on that plate.

    Raises
    ------
    InputError : fewer than 3 control wells on a plate or on the training plates; fewer than 2 folds; an unknown
        ``on_constant``.

    Notes
    -----
    Assumes that controls are alike on all plates but for an increasing function of each feature. Works for an unseen
    batch through its control wells. Over-normalizes where the controls carry the phenotype, and bends strong
    phenotypes a little where the middle of the controls happens to bend. Bolstad et al. 2003, Bioinformatics 19
    (quantile normalization of whole arrays; here of controls only).
    """

    scope = FitScope.TRAIN_AND_CONTROLS
    is_monotone = True
    needs = ("controls_per_plate >= 3",)

    def __init__(
        self,
        *,
        exchangeable: bool = True,
        n_folds: Folds = 5,
        seed: Seed = 0,
        on_constant: Literal["centre", "leave"] = "centre",
    ) -> None:
        self.exchangeable = exchangeable
        self.n_folds = n_folds
        self.seed = seed
        self.on_constant = on_constant

    def fit(self, plates: Sequence[Plate]) -> Self:
        check_folds("Quantile", self.n_folds)
        self.code_ = CENTRED if centres(type(self).__name__, self.on_constant) else LEFT_ALONE
        self.reference_: dict[str, list[str]] = {}
        controls: list[Floats] = []
        folds: list[NDArray[np.int64]] = []
        for plate in plates:
            if plate.negcon.any():
                self.reference_[plate.name] = control_wells(plate)
                controls.append(plate.X[plate.negcon])
                folds.append(self._folds(plate)[plate.negcon])
        n_wells = sum(map(len, self.reference_.values()))
        if n_wells < MIN_CONTROLS:
            raise InputError(
                f"Quantile: {n_wells} negative control wells on the training plates, at least {MIN_CONTROLS} are "
                "needed; check data.controls, or choose a normalization that needs no controls, e.g. all_within"
            )
        fold = np.concatenate(folds)
        keep = [fold != f for f in range(self.n_folds)] if self.exchangeable else [fold >= 0]
        keep = [rows if rows.any() else fold >= 0 for rows in keep]
        n_features = controls[0].shape[1]
        self.pool_ = np.empty((len(keep), len(PROBABILITIES), n_features))

        def pool(start: int) -> None:
            block = slice(start, start + _BLOCK)
            values = np.concatenate([X[:, block] for X in controls])
            for f, rows in enumerate(keep):
                self.pool_[f, :, block] = quantiles(values[rows], PROBABILITIES)

        with ThreadPoolExecutor(n_threads()) as workers:
            list(workers.map(pool, range(0, n_features, _BLOCK)))
        flat = _flat(self.pool_)
        self.level_: Floats | None = None
        if self.code_ == CENTRED:
            flat |= flat.any(axis=0)
            self.level_ = np.where(flat[0], 0, self.pool_[:, 2].mean(axis=0)).astype(np.float32)
        self.fallback_ = np.where(flat, self.code_, 0).astype(np.int8)
        self.plate_controls_: dict[str, PlateControls] = {}
        return self

    def adapt(self, controls: Sequence[Plate]) -> Self:
        adapted = copy.copy(self)
        with ThreadPoolExecutor(n_threads()) as workers:
            adapted.plate_controls_ = dict(ordered(workers, self._controls_of, controls, n_threads()))
        return adapted

    def _folds(self, plate: Plate) -> NDArray[np.int64]:
        return fold_of(plate, self.reference_.get(plate.name, []), self.n_folds, self.seed)

    def _controls_of(self, plate: Plate) -> tuple[str, PlateControls]:
        wells = check_controls(plate, type(self).__name__)
        codes = control_index(plate, wells)
        if not self.exchangeable:
            whole = left_out_quantiles(plate.X, np.full_like(codes, -1), PROBABILITIES)
            return plate.name, PlateControls(wells, np.zeros(1, dtype=np.int64), whole)
        fold = np.zeros(len(wells), dtype=np.int64)
        fold[codes] = self._folds(plate)
        return plate.name, PlateControls(wells, fold, left_out_quantiles(plate.X, codes, PROBABILITIES))

    def transform(self, plate: Plate) -> Floats:
        controls = self.plate_controls_.get(plate.name)
        if controls is None:
            raise InputError(
                f"Quantile: plate {plate.name!r} has no negative control wells, at least {MIN_CONTROLS} are needed; "
                "leave the plate out (data.exclude_plates) or choose one that needs none, e.g. all_within"
            )
        group = left_out_control(plate, controls.wells, self.seed, exchangeable=self.exchangeable)
        targets = [_target(quantiles, codes > 0) for quantiles, codes in zip(self.pool_, self.fallback_, strict=True)]
        by_group = np.argsort(group, kind="stable")
        out = np.empty(plate.X.shape, dtype=np.float32)
        for rows in np.split(by_group, np.flatnonzero(np.diff(group[by_group])) + 1):
            i = group[rows[0]]
            apply = _map(controls.quantiles[i], targets[controls.fold[i]], self.level_)
            for start in range(0, len(rows), _RUN):
                run = rows[start : start + _RUN]
                out[run] = apply(plate.X[run])
        return out

    def report(self) -> pd.DataFrame:
        alone = {"training plates": self.fallback_}
        for plate, controls in self.plate_controls_.items():
            flat = _flat(controls.quantiles) & (self.fallback_ == 0).any(axis=0)
            alone[plate] = np.where(flat, self.code_, 0).astype(np.int8)
        return pd.concat([fallback_report(name, codes) for name, codes in alone.items()], ignore_index=True)


def _flat(quantiles: Doubles) -> Mask:
    """Return which features have no interquartile range: (..., 5, G) to (..., G)."""
    low, middle, high = (quantiles[..., i, :] for i in (1, 2, 3))
    return np.asarray(high - low <= resolution(middle))


@dataclass(frozen=True)
class _Target:
    """Quantiles to reach: whether there are none, interquartile range, median; from it the lowest, and steps up."""

    flat: Mask
    range: Doubles
    centre: Floats
    level: Floats
    rise: Floats


def _target(quantiles: Doubles, flat: Mask) -> _Target:
    level, rise = quantiles[0] - quantiles[2], np.diff(quantiles, axis=0)
    centre, *rest = (x.astype(np.float32) for x in (quantiles[2], level, rise))
    return _Target(flat, quantiles[3] - quantiles[1], centre, *rest)


def _map(source: Doubles, target: _Target, constant: Floats | None) -> Callable[[Floats], Floats]:
    """Return the increasing, piecewise linear map of (n, G) that takes the quantiles ``source`` (5, G) to ``target``.

    A sum of one ramp per interval, relative to the medians so that features of a large level keep their precision.
    An interval of no width, or of next to none, is a step: half of it where the value is met. A feature without range
    has its median shifted to ``constant`` (G,), or stays as it is (None).
    """
    alone = np.flatnonzero(_flat(source) | target.flat)
    centre = source[2].astype(np.float32)
    knots = (source - centre).astype(np.float32)
    width = knots[1:] - knots[:-1]
    interquartile = source[3] - source[1]
    interquartile[alone] = 1
    beyond = (target.range / interquartile).astype(np.float32)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        along = target.rise / width
    steep = ~np.isfinite(along)
    along[steep] = 0
    steps = [np.flatnonzero(s) for s in steep]

    def apply(X: Floats) -> Floats:
        x: Floats = X - centre
        work = np.empty_like(x)
        out: Floats = np.maximum(x, knots[0])
        np.minimum(out, knots[-1], out=out)
        np.subtract(x, out, out=out)
        out *= beyond
        out += target.level
        for low, high, factor, rise, step in zip(knots, width, along, target.rise, steps, strict=False):
            np.subtract(x, low, out=work)
            np.maximum(work, 0, out=work)
            np.minimum(work, high, out=work)
            work *= factor
            out += work
            out[:, step] += rise[step] * np.heaviside(x[:, step] - low[step], np.float32(0.5))
        out += target.centre
        out[:, alone] = X[:, alone] if constant is None else X[:, alone] - centre[alone] + constant[alone]
        return out

    return apply
