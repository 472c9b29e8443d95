"""ComBat: empirical Bayes location and scale of every batch, also for a batch of which only controls may be read."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal, Self

import numpy as np
import pandas as pd

from harness.core.arrays import Doubles, Floats, Mask
from harness.core.exceptions import InputError
from harness.core.profiles import Plate
from harness.core.scope import FitScope
from harness.norm.base import Normalizer
from harness.norm.combat_model.covariates import Design, coefficients, learn
from harness.norm.combat_model.empirical_bayes import Effect, Prior, parametric, prior_of
from harness.norm.combat_model.pooled import check_batches, pool, train
from harness.norm.engine.crossfit import check_folds, fold_of
from harness.norm.engine.exchangeable import MIN_CONTROLS, control_wells
from harness.norm.engine.row_order import in_order
from harness.numerics.constant_features import CENTRED, LEFT_ALONE, centres
from harness.numerics.moments import Moments, leave_one_out, moments, moments_by_well
from harness.numerics.standardize import affine, fallback_report
from harness.settings.annotated_types import Folds, Name, Seed
from harness.settings.limits import Distinct, OneOf

SCOPES = (FitScope.TRAIN_AND_CONTROLS, FitScope.TRANSDUCTIVE)


class Combat(Normalizer):
    """sigma (Z - g*) / sqrt(d*) + alpha + C b, Z = (x - alpha - C b) / sigma (scope: train_and_controls).

    alpha is the mean of the batch means weighted by their rows, b the coefficients of the covariates C, sigma^2 the
    residual variance pooled over batches (divisor N), g* and d* the empirical Bayes mean and variance of Z in a batch:
    see :func:`harness.norm.combat_model.empirical_bayes.parametric`. Every filled row of a training batch counts,
    images of a well as rows of their own. A feature that is constant, in all or in any one training batch, takes no
    part in the priors: ``on_constant`` decides, and it is reported. Nothing depends on the order of wells, to the bit.

    A batch that is not among the training rows is known by its control wells only: with the mean c and variance v of
    the training controls after ComBat, in units of sigma, its estimates are d^ = var(Z of its controls) / v and g^ =
    mean(Z of its controls) - sqrt(d^) c, so that controls land where the training controls landed, and not in the
    middle of the treated wells. Their prior has the moments of all training batches' estimates. Where controls have no
    variance, d^ = 1, the pooled scale of the training wells, and it is reported. A held-out plate of a training batch
    is corrected by that batch's training rows.

    Parameters
    ----------
    scope : ``train_and_controls``, or ``transductive`` to estimate every batch from all its rows, held-out ones too,
        the way ComBat is usually run.
    mean_only : d* = 1: shift batches, do not rescale them. The shrinkage of g* counts a batch's rows; neuroCombat
        puts 1 in their place, and so removes only t2 / (t2 + 1) of a feature's own shift, t2 the variance of shifts.
    reference_batch : alpha and sigma are those of this batch, which does not change.
    covariates : columns of the wells table whose effect is kept: numeric, or else categorical. A task's label is
        refused.
    exchangeable : the controls of an unseen batch are dealt to ``n_folds`` folds; a control is transformed by estimates
        from the other folds, any other well without one fold drawn at random. False: all controls for all wells.
    n_folds : fewer where no plate of the batch has as many controls.
    seed : of the folds.
    on_constant : what becomes of a feature that takes no part. ``centre`` subtracts the mean of each batch (of the
        controls of an unseen one) and does not rescale; where it is constant in the batch it becomes 0 to the bit, or
        the level of the reference batch. ``leave`` leaves it untouched.

    Raises
    ------
    InputError : fewer than two training batches or usable features; a batch of one row (unless ``mean_only``); an
        unseen batch with fewer than 3 control wells; the reference batch is not among the training rows; covariates
        absent, incomplete, collinear with the batches, or labels; an unknown ``on_constant``.

    Notes
    -----
    Assumes that batches hold the same mixture of phenotypes, or that the covariates say where they do not. Where the
    share of active wells follows the batch, it takes the phenotype for a batch effect and over-normalizes (measured on
    simulated screens: 0.65 of a spike survives, against 0.98 where batches are balanced). It removes no plate effect.
    In training batches controls and other wells are read alike, so neither is in-sample more than the other. Johnson,
    Li, Rabinovic 2007, Biostatistics 8(1).
    """

    needs = ("batches >= 3", "controls_per_batch >= 3")

    def __init__(
        self,
        *,
        scope: Annotated[str, OneOf("train_and_controls", "transductive")] = "train_and_controls",
        mean_only: bool = False,
        reference_batch: Name | None = None,
        covariates: Annotated[Sequence[Name], Distinct()] = (),
        exchangeable: bool = True,
        n_folds: Folds = 5,
        seed: Seed = 0,
        on_constant: Literal["centre", "leave"] = "centre",
    ) -> None:
        self.scope = scope
        self.mean_only = mean_only
        self.reference_batch = reference_batch
        self.covariates = covariates
        self.exchangeable = exchangeable
        self.n_folds = n_folds
        self.seed = seed
        self.on_constant = on_constant

    def posterior(self, hat: Effect, prior: Prior) -> Effect:
        """Return g* and d* of one batch from its estimates, (G,) each."""
        return parametric(hat, prior)

    def fit(self, plates: Sequence[Plate]) -> Self:
        self._check_parameters()
        self._fit_design(plates)
        everyone, controls = self._read(plates)
        check_batches(everyone, self.reference_batch, mean_only=self.mean_only)
        names, batches = list(everyone), _stack(everyone)
        reference = None if self.reference_batch is None else names.index(self.reference_batch)
        self.pooled_ = pool(batches, reference, mean_only=self.mean_only)
        hats = [self.pooled_.estimate(batches[i]) for i in range(len(names))]
        self.prior_ = self._prior(np.stack([h.gamma for h in hats]), np.stack([h.delta for h in hats]))
        gamma, delta = self.pooled_.effects([self.posterior(h, self._prior(h.gamma, h.delta)) for h in hats])
        if reference is not None:
            gamma[reference], delta[reference] = 0.0, 1.0
        if centres("ComBat", self.on_constant):
            self.pooled_, gamma, delta = self.pooled_.centred(batches, gamma, delta, reference)
        self.trained_ = train(self.pooled_, _stack(controls), gamma, delta)
        self.gamma_ = {name: gamma[i : i + 1] for i, name in enumerate(names)}
        self.delta_ = {name: delta[i : i + 1] for i, name in enumerate(names)}
        self.reference_: dict[str, list[str]] = {}
        self.without_scale_: dict[str, Mask] = {}
        return self

    def _read(self, plates: Sequence[Plate]) -> tuple[dict[str, Moments], dict[str, Moments]]:
        """Return the moments of all filled rows and of the controls of each batch, batches and plates by name."""
        by_plate: dict[tuple[str, str], tuple[Moments, Moments]] = {}
        for plate in in_order(plates):
            R = self._without_covariates(plate)
            negcon = moments(R, rows=plate.negcon)
            both = negcon.merge(moments(R, rows=plate.filled & ~plate.negcon))
            by_plate[_batch(plate), plate.name] = both, negcon
        everyone: dict[str, Moments] = {}
        controls: dict[str, Moments] = {}
        for batch, name in sorted(by_plate):
            both, negcon = by_plate[batch, name]
            everyone[batch] = everyone[batch].merge(both) if batch in everyone else both
            controls[batch] = controls[batch].merge(negcon) if batch in controls else negcon
        return everyone, controls

    def adapt(self, controls: Sequence[Plate]) -> Self:
        read = sorted(in_order(controls), key=lambda plate: plate.name)
        if not read or _batch(read[0]) in self.gamma_:
            return self
        batch = _batch(read[0])
        wells = {plate.name: control_wells(plate) for plate in read}
        self._check_unseen(batch, sum(map(len, wells.values())))
        k = max(2, min(self.n_folds, max(map(len, wells.values())))) if self.exchangeable else 1
        folds = Moments(np.zeros((k, 1)), *np.zeros((2, k, len(self.pooled_.usable))))
        for plate in read:
            fold = fold_of(plate, wells[plate.name], k, self.seed)
            folds = folds.merge(moments_by_well(self._without_covariates(plate), fold, k))
        used = leave_one_out(folds) if self.exchangeable else folds
        if used.n.min() < 2:
            raise InputError(
                f"ComBat: the {int(folds.n.sum())} rows of controls of batch {batch!r} are too few to leave a fold of "
                "them out; choose norm.exchangeable=false or norm.scope=transductive"
            )
        hats = [self.pooled_.estimate_from(used[i], self.trained_) for i in range(k)]
        gamma, delta = self.pooled_.effects([self.posterior(hat, self.prior_) for hat in hats])
        if centres("ComBat", self.on_constant):
            gamma = self.pooled_.centred_on_controls(used, self.trained_, gamma)
        adapted = copy.copy(self)
        adapted.gamma_, adapted.delta_ = {**self.gamma_, batch: gamma}, {**self.delta_, batch: delta}
        adapted.reference_ = wells
        if not self.mean_only:
            without = np.stack([self.pooled_.without_scale(used[i], self.trained_) for i in range(k)])
            adapted.without_scale_ = {**self.without_scale_, batch: without}
        return adapted

    def transform(self, plate: Plate) -> Floats:
        batch, pooled = _batch(plate), self.pooled_
        if batch not in self.gamma_:
            raise InputError(
                f"ComBat: plate {plate.name!r} is of batch {batch!r}, which has neither training rows nor controls; "
                f"training batches are {sorted(self.gamma_)}; check data.controls, or norm.scope=transductive"
            )
        gamma, factor = self.gamma_[batch], 1.0 / np.sqrt(self.delta_[batch])
        k = len(gamma)
        reference = self.reference_.get(plate.name, [])
        fold = fold_of(plate, reference, k, self.seed)
        # centred, so that a feature of mean 1e6 and sd 1 keeps its precision; a factor of 1 needs no centre
        centre = np.where(factor == 1, 0, pooled.alpha).astype(np.float32)
        offset = (1 - factor) * pooled.alpha + factor * (centre - pooled.sigma * gamma)
        out = np.empty(plate.X.shape, dtype=np.float32)
        affine(plate.X, fold, centre, factor.astype(np.float32), offset.astype(np.float32), out)
        if self.design_ is not None:
            C = self.design_.matrix(plate.wells)
            for f in range(k):
                share = np.where(factor[f] == 0, 0, 1 - factor[f])  # 0: constant once the covariates are taken out
                out[fold == f] += (C[fold == f] @ (share * self.beta_)).astype(np.float32)
        return out

    def report(self) -> pd.DataFrame:
        name = "training plates" if self.scope == FitScope.TRAIN_AND_CONTROLS else "all plates"
        code = CENTRED if centres("ComBat", self.on_constant) else LEFT_ALONE
        tables = [fallback_report(name, np.where(self.pooled_.usable, 0, code).astype(np.int8))]
        for batch, without in self.without_scale_.items():
            tables.append(fallback_report(f"batch {batch}", np.where(without, 3, 0).astype(np.int8)))
        return pd.concat(tables, ignore_index=True)

    def _fit_design(self, plates: Sequence[Plate]) -> None:
        self.design_: Design | None = None
        if len(self.covariates):
            tables = [plate.wells.loc[plate.filled] for plate in in_order(plates)]
            self.design_ = learn(self.covariates, pd.concat(tables, ignore_index=True))
            self.beta_ = coefficients(self.design_, tables, in_order(plates))

    def _without_covariates(self, plate: Plate) -> Any:
        """Return the plate's features, float32, or float64 with the effect of the covariates subtracted."""
        return plate.X if self.design_ is None else plate.X - self.design_.matrix(plate.wells) @ self.beta_

    def _prior(self, gamma: Doubles, delta: Doubles) -> Prior:
        prior = prior_of(gamma, delta)
        return replace(prior, scale=1.0, scale_variance=0.0) if self.mean_only else prior

    def _check_parameters(self) -> None:
        if self.scope not in SCOPES:
            raise InputError(f"ComBat: scope is {self.scope!r}; choose one of {[s.value for s in SCOPES]}")
        centres("ComBat", self.on_constant)
        check_folds("ComBat", self.n_folds)

    def _check_unseen(self, batch: str, n_wells: int) -> None:
        if n_wells < MIN_CONTROLS:
            raise InputError(
                f"ComBat: batch {batch!r} has no training rows and {n_wells} negative control wells, at least "
                f"{MIN_CONTROLS} are needed; check data.controls, or read the whole batch: norm.scope=transductive"
            )
        if self.trained_.n < MIN_CONTROLS:
            raise InputError(
                f"ComBat: batch {batch!r} has no training rows, and the training batches {self.trained_.n} rows of "
                f"controls to compare its controls with, at least {MIN_CONTROLS} are needed; check data.controls, or "
                "norm.scope=transductive"
            )


def _batch(plate: Plate) -> str:
    return str(plate.wells["batch"].iloc[0])


def _stack(batches: dict[str, Moments]) -> Moments:
    n, mean, M2 = (np.stack([np.atleast_1d(getattr(m, a)) for m in batches.values()]) for a in ("n", "mean", "M2"))
    return Moments(n, mean, M2)
