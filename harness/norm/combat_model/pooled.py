"""Location and scale that the batches of a screen share, and the estimates of one batch relative to them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from harness.core.arrays import Doubles, Mask
from harness.core.exceptions import InputError
from harness.norm.combat_model.empirical_bayes import Effect
from harness.numerics.moments import Moments


@dataclass(frozen=True)
class Pooled:
    """Mean ``alpha`` and residual sd ``sigma`` of the features, and which are adjusted (``usable``), each (G,).

    Features that are not kept have alpha 0 and sigma 1. ``mean_only``: every batch has variance 1.
    """

    alpha: Doubles
    sigma: Doubles
    usable: Mask
    mean_only: bool

    def estimate(self, batch: Moments) -> Effect:
        """Return mean and variance of a batch in units of sigma, for the usable features."""
        usable, n = self.usable, float(np.ravel(batch.n)[0])
        gamma = (batch.mean[usable] - self.alpha[usable]) / self.sigma[usable]
        delta = np.ones_like(gamma) if self.mean_only else batch.M2[usable] / (n - 1) / self.sigma[usable] ** 2
        return Effect(n, gamma, delta)

    def estimate_from(self, controls: Moments, trained: Trained) -> Effect:
        """Return the same for a batch of which only ``controls`` are read, relative to the corrected training controls.

        A control is alpha + sigma (gamma + sqrt(delta) z) with z of the mean and variance of ``trained``; delta is 1
        where :meth:`without_scale` says so.
        """
        seen, usable = self.estimate(controls), self.usable
        scaled = ~self.without_scale(controls, trained)[usable] & (not self.mean_only)
        delta = np.ones_like(seen.delta)
        np.divide(seen.delta, trained.variance[usable], out=delta, where=scaled)
        return Effect(seen.n, seen.gamma - np.sqrt(delta) * trained.mean[usable], delta)

    def without_scale(self, controls: Moments, trained: Trained) -> Mask:
        """Return usable features without variance among ``controls``, or among the controls of training, (G,)."""
        return np.asarray(self.usable & ((controls.sd == 0) | (trained.variance == 0)))

    def effects(self, batches: list[Effect]) -> tuple[Doubles, Doubles]:
        """Return gamma and delta of all features, (k, G): 0 and 1 for features that are not usable."""
        gamma, delta = np.zeros((len(batches), len(self.usable))), np.ones((len(batches), len(self.usable)))
        for i, effect in enumerate(batches):
            gamma[i, self.usable], delta[i, self.usable] = effect.gamma, effect.delta
        return gamma, delta

    def centred(
        self, batches: Moments, gamma: Doubles, delta: Doubles, reference: int | None
    ) -> tuple[Pooled, Doubles, Doubles]:
        """Return this, gamma and delta (k, G) so that features that are not usable lose the means of the batches.

        They come to lie at 0, or at the mean of the ``reference`` batch, which does not change. Where another batch has
        no variance delta is infinite: every value becomes that level, to the bit.
        """
        free = ~self.usable
        level = np.zeros(len(free)) if reference is None else batches.mean[reference]
        alpha = np.where(free, level, self.alpha)
        constant = free & (batches.sd == 0) & (np.arange(len(gamma)) != reference)[:, None]
        gamma = np.where(constant, 0.0, np.where(free, batches.mean - alpha, gamma))
        return replace(self, alpha=alpha), gamma, np.where(constant, np.inf, delta)

    def centred_on_controls(self, controls: Moments, trained: Trained, gamma: Doubles) -> Doubles:
        """Return gamma (k, G) of a batch of which only ``controls`` are read, so that they match those of training."""
        return np.where(self.usable, gamma, controls.mean - self.alpha - trained.mean)


@dataclass(frozen=True)
class Trained:
    """Mean and variance (within batches) of the ``n`` corrected rows of training controls, in units of sigma, (G,)."""

    n: int
    mean: Doubles
    variance: Doubles


def check_batches(batches: dict[str, Moments], reference: str | None, *, mean_only: bool) -> None:
    """Refuse fewer than two batches, a batch of too few rows, or an absent reference batch (InputError)."""
    if len(batches) < 2:
        raise InputError(
            f"ComBat: the rows to fit on lie in one batch, {list(batches)}, at least 2 are needed; check batch, "
            "hold out fewer batches, or read all of them: norm.scope=transductive"
        )
    few = [name for name, m in batches.items() if m.n < (1 if mean_only else 2)]
    if few:
        raise InputError(
            f"ComBat: batch {few[0]!r} has {int(batches[few[0]].n)} filled rows, at least 2 are needed for a "
            "variance; leave the batch out, or choose norm.mean_only=true (one row is enough)"
        )
    if reference is not None and reference not in batches:
        raise InputError(
            f"ComBat: reference_batch {reference!r} is not among the batches to fit on, {sorted(batches)}; choose one "
            "of them, or norm.scope=transductive where it is held out"
        )


def pool(batches: Moments, reference: int | None, *, mean_only: bool) -> Pooled:
    """Return the mean (alpha) and the variance within batches (sigma^2, divisor N) of all rows, or those of one batch.

    A feature that is constant in some batch (with ``mean_only``: in all, or in the reference) is not kept.

    Parameters
    ----------
    batches : moments of B batches: n (B, 1), mean and M2 (B, G).
    reference : number of the batch that alpha and sigma come from, or None.

    Raises
    ------
    InputError : fewer than two features are left.
    """
    alive = batches.sd > 0
    M2 = np.where(alive, batches.M2, 0.0)
    if reference is None:
        n = batches.n.sum()
        alpha, variance = (batches.n * batches.mean).sum(axis=0) / n, M2.sum(axis=0) / n
    else:
        alpha, variance = batches.mean[reference], M2[reference] / batches.n[reference]
    usable = (variance > 0) & (mean_only | alive.all(axis=0))
    if usable.sum() < 2:
        raise InputError(
            f"ComBat: {int(usable.sum())} of {len(usable)} features vary within every batch, at least 2 are needed for "
            "the priors; check data.features"
        )
    return Pooled(np.where(usable, alpha, 0.0), np.where(usable, np.sqrt(variance), 1.0), usable, mean_only)


def train(pooled: Pooled, controls: Moments, gamma: Doubles, delta: Doubles) -> Trained:
    """Return the statistics of the corrected controls of the training batches: controls (B, G) with n (B, 1)."""
    n = int(controls.n.sum())
    Z = ((controls.mean - pooled.alpha) / pooled.sigma - gamma) / np.sqrt(delta)
    M2 = np.where(controls.sd > 0, controls.M2, 0.0) / pooled.sigma**2 / delta
    within = n - int((controls.n > 0).sum())
    return Trained(n, (controls.n * Z).sum(axis=0) / max(n, 1), M2.sum(axis=0) / max(within, 1))
