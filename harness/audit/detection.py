"""How strong must an effect be to be found in a batch that the model has not seen?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Annotated

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA

from harness.audit.base import AuditContext, BySplit, Finding
from harness.audit.bench import Bench
from harness.audit.discriminant import discriminant
from harness.audit.spike import Design, add
from harness.audit.spike_in import SpikeIn
from harness.bootstrap import LEVEL, interval, resample, weighted_mean
from harness.metric.auroc import Auroc
from harness.seeding import derive
from harness.settings.limits import Distinct, NotEmpty, OneOf, Rising, Within
from harness.settings.types import Count, NotNegative, Positive
from harness.types import Doubles, Evaluation, Floats, Mask, Profiles, Split

ARMS = ("matched", "sparse", "common", "position_bound", "batch_bound")
Norm = Callable[[Profiles], BySplit]
Axes = Callable[[Floats], Floats]


class Detection(SpikeIn):
    """AUROC of spiked against unspiked treated wells on held-out folds, by amplitude and arm of the spike-in.

    ``mde``, the minimum detectable effect, is the amplitude (control sd, root mean square over features) at which the
    mean AUROC crosses 0.75, linear in log amplitude; infinite where the largest does not reach it. ``mde_ratio``
    divides it by raw's on the same wells and resamples: above 1, effects must be stronger than in raw profiles to be
    found. Detector: linear discriminant (Ledoit-Wolf shrinkage) on ``n_components`` principal components of the
    unspiked normalized profiles in units of their sd; the discriminant is fitted on training folds.

    Parameters
    ----------
    amplitudes : ascending, in control sd.
    arms : of the spike-in (:class:`harness.audit.spike_in.SpikeIn`); each costs a training per amplitude and fold.
    """

    def __init__(
        self,
        *,
        amplitudes: Annotated[Sequence[Positive], NotEmpty(), Rising()] = (0.1, 0.2, 0.4, 0.8),
        arms: Annotated[Sequence[Annotated[str, OneOf(*ARMS)]], NotEmpty(), Distinct()] = ("matched", "common"),
        n_components: Count = 50,
        target: Annotated[float, Within(0.5, 1)] = 0.75,
        tied_above: NotNegative = 0.5,
    ) -> None:
        super().__init__(n_directions=1, n_others=1, tied_above=tied_above)
        self.amplitudes = amplitudes
        self.arms = arms
        self.n_components = n_components
        self.target = target

    def findings(self, context: AuditContext) -> Iterator[Finding]:
        bench = self.bench(context)
        seed = derive(context.seed, "spike-in")
        own_norm, raw_norm = context.normalize, _raw
        own_axes, raw_axes = (self.axes(context, bench, norm) for norm in (own_norm, raw_norm))
        for arm in [*self.matched(bench, seed), *self.others(bench, seed)]:
            if arm.name not in self.arms:
                continue
            own = self.curve(context, bench, arm, own_norm, own_axes)
            raw = self.curve(context, bench, arm, raw_norm, raw_axes)
            key = f"audit/detection/{arm.name}"
            for i, amplitude in enumerate(self.amplitudes):
                for what, values in (("auroc", own), ("raw_auroc", raw)):
                    low, high = interval(values[1:, i])
                    yield Finding(f"{key}/{what}_at_{amplitude:g}", float(values[0, i]), low, high)
            mde, raw_mde = (minimum_effect(curve, self.amplitudes, self.target) for curve in (own, raw))
            for what, found in (("mde", mde), ("raw_mde", raw_mde)):
                reason = "" if np.isfinite(found[0]) else f"AUROC {self.target:g} is not reached at any amplitude"
                yield Finding(f"{key}/{what}", float(found[0]), *_span(found[1:]), reason=reason)
            yield self._ratio(f"{key}/mde_ratio", mde, raw_mde)

    @staticmethod
    def _ratio(key: str, mde: Doubles, raw: Doubles) -> Finding:
        if not np.isfinite(raw[0]):
            return Finding(key, float("nan"), reason="raw profiles do not reach the target at any amplitude")
        with np.errstate(invalid="ignore"):
            ratio = mde / raw
        reason = "" if np.isfinite(ratio[0]) else "raw profiles reach the target, these do not"
        return Finding(key, float(ratio[0]), *_span(ratio[1:][np.isfinite(raw[1:])]), reason=reason)

    def axes(self, context: AuditContext, bench: Bench, norm: Norm) -> list[Axes]:
        """Principal axes of the unspiked normalized profiles for each fold; one for all where folds share them."""
        plain = norm(bench.profiles)
        found: list[Axes] = []
        last: Profiles | None = None
        source: Profiles | None = None
        for split in context.splits:
            profiles = plain(split)
            if profiles is not last:
                own = profiles if profiles.rescaled is None else profiles.rescaled  # other units, the same components
                if source is not own:
                    source, components = own, _components(own.X, self.n_components)
                last, axes = profiles, _axes(profiles.X, components)
            found.append(axes)
        return found

    def curve(self, context: AuditContext, bench: Bench, arm: Design, norm: Norm, axes: Sequence[Axes]) -> Doubles:
        """Mean held-out AUROC by amplitude: first row as it is, then one row per resample, (1 + R, n_amplitudes)."""
        spiked = arm.pick(bench.wells, derive(bench.seed, arm.name, 0))
        columns = []
        for amplitude in self.amplitudes:
            moved = norm(add(bench.profiles, spiked, bench.directions[0], amplitude, bench.scale))
            folds: list[Evaluation] = []
            seen: tuple[Profiles, Axes] | None = None
            Z: Floats
            for split, own in zip(context.splits, axes, strict=True):
                profiles = moved(split)
                if seen is None or seen[0] is not profiles or seen[1] is not own:
                    seen, Z = (profiles, own), own(profiles.X)
                folds.append(_fold(profiles.wells, Z, split, spiked, context.seed))
            columns.append(_mean_auroc([f for f in folds if f.y.min() < f.y.max()], context.n_resamples))
        return np.column_stack(columns)


def _span(values: Doubles) -> tuple[float, float]:
    """Percentile interval of resampled values of which some may be infinite: no interpolation between them."""
    if not len(values):
        return float("nan"), float("nan")
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], method="nearest")
    return float(low), float(high)


def _raw(profiles: Profiles) -> BySplit:
    return lambda _: profiles


def _components(X: Floats, n: int) -> Doubles:
    """First ``n`` principal components of scaled features, (n, n_features)."""
    centre, sd = X.mean(axis=0, dtype=np.float64), _scale(X)
    Z = X - centre
    Z /= sd
    pca = PCA(min(n, *X.shape), svd_solver="randomized", random_state=0, copy=False).fit(Z)
    return np.asarray(pca.components_)


def _axes(X: Floats, components: Doubles) -> Axes:
    """A map of normalized profiles to these components of their scaled features."""
    axes = (components / _scale(X)).T.astype(np.float32)
    return lambda moved: np.asarray(moved @ axes, dtype=np.float32)


def _scale(X: Floats) -> Doubles:
    sd = X.std(axis=0, dtype=np.float64)
    return np.where(sd > 0, sd, np.inf)


def _fold(wells: pd.DataFrame, Z: Floats, split: Split, spiked: Mask, seed: int) -> Evaluation:
    treated = (wells["role"] == "treated").to_numpy()
    train, test = split.train & treated, split.test & treated
    direction = discriminant(Z[train], spiked[train])
    return Evaluation(
        y=spiked[test].astype(np.int8),
        score=Z[test] @ direction,
        threshold=0.0,
        wells=wells[test],
        split=split,
        seed=seed,
    )


def _mean_auroc(folds: Sequence[Evaluation], n_resamples: int) -> Doubles:
    """Mean AUROC over folds, then under each resample: (1 + R,)."""
    draws = resample(pd.concat([f.wells for f in folds]), n=n_resamples, seed=folds[0].seed)
    weights = [draws.of(f) for f in folds]
    values = np.column_stack([Auroc().values(f, w) for f, (w, _) in zip(folds, weights, strict=True)])
    drawn = weighted_mean(values, np.column_stack([w for _, w in weights]))
    return np.asarray(np.r_[np.mean([Auroc()(f) for f in folds]), drawn])


def minimum_effect(curve: Doubles, amplitudes: Sequence[float], target: float) -> Doubles:
    """Amplitude at which each row of ``curve`` (R, n_amplitudes) first crosses ``target``; infinite where it does not.

    Linear in log amplitude between neighbours; below the smallest amplitude from AUROC 0.5 at a tenth of it.
    """
    grid = np.log(np.r_[amplitudes[0] / 10, amplitudes])
    curve = np.maximum.accumulate(np.column_stack([np.full(len(curve), 0.5), curve]), axis=1)
    reached = curve >= target
    at = reached.argmax(axis=1)
    row = np.arange(len(curve))
    low, high = curve[row, np.maximum(at - 1, 0)], curve[row, at]
    share = np.divide(target - low, high - low, out=np.ones(len(curve)), where=high > low)
    found = np.exp(grid[np.maximum(at - 1, 0)] + share * (grid[at] - grid[np.maximum(at - 1, 0)]))
    return np.asarray(np.where(reached.any(axis=1), found, np.inf))
