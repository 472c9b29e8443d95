"""Accuracy of the probes, its error, and its excess over permuted batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t

from harness.audit.probes.partitions import Codes
from harness.core.arrays import Doubles
from harness.scoring.bootstrap import LEVEL


@dataclass(frozen=True)
class Accuracy:
    """Balanced accuracy and its standard error over plates within batches, on ``freedom`` degrees of freedom."""

    value: float
    sd: float
    freedom: int


def accuracy(correct: Doubles, plate: Codes, batch: Codes) -> Accuracy:
    """Return the mean over batches of the share of wells whose batch is predicted, and its standard error.

    Predictions are fixed; plates vary within their batch: the linearized, unbiased form of what a bootstrap of plates
    gives. The error is no less than that of as many independent wells.

    Parameters
    ----------
    correct : (n,) 0 to 1, how often the batch of a well is predicted. plate : (n,). batch : (Q,) of each plate.
    """
    n, right = (np.bincount(plate, weights, minlength=len(batch)) for weights in (None, correct))
    n_b, right_b = (np.bincount(batch, values) for values in (n, right))
    recall = right_b / n_b
    residual = (right - recall[batch] * n) / n_b[batch]
    plates = np.bincount(batch)
    variance = plates / np.maximum(plates - 1, 1) * np.bincount(batch, residual**2)
    value, n_batches = float(recall.mean()), len(plates)
    inside = (value * n.sum() + 1) / (n.sum() + 2)
    floor = inside * (1 - inside) / n.sum()
    return Accuracy(value, float(np.sqrt(max(variance.sum() / n_batches**2, floor))), len(batch) - n_batches)


@dataclass(frozen=True)
class ProbeExcess:
    """Gain of a probe over permuted batches, as a share of the way from chance to certainty.

    Attributes
    ----------
    probe : the name of the probe that decides. value, lower : of this probe. upper : the largest over the probes.
    least_lower, least_upper : the same interval if the null's mean had no error.
    by_probe : value, lower and upper of each probe alone.
    null_upper : what the probe reaches under permuted batches. p : of its permutation test.
    null_mean : of each probe. n : number of permutations.
    """

    probe: str
    value: float
    lower: float
    upper: float
    least_lower: float
    least_upper: float
    by_probe: Mapping[str, tuple[float, float, float]]
    null_upper: float
    p: float
    null_mean: Mapping[str, float]
    n: int


def excess(observed: Mapping[str, Accuracy], null: Sequence[Mapping[str, float]], chance: float) -> ProbeExcess:
    """Compare each probe with its own mean under permuted batches, in units of 1 - chance.

    The units are 1 - null mean if that is below chance, as after a method that aligns batches by their labels. They are
    not if it is above: with a probe that predicts any batches with 0.94, a difference of 0.01 would become 0.17.

    The probe that stands highest above what it reaches under permuted batches decides, or, if none stands above that,
    the one that gains most: a probe that predicts some permuted batches with 1 and others with 0 must not hide one that
    predicts none of them. ``lower`` is that of the deciding probe, at a level that allows for the choice among probes
    (Bonferroni), as is the level of ``null_upper``. ``upper`` is the largest of all probes, so that it lies below a
    limit only if all do. Both rest on plates within batches and on the error of the null's mean.
    """
    names = sorted(observed)
    table = np.array([[permuted[name] for name in names] for permuted in null])
    values = np.array([observed[name].value for name in names])
    mean = table.mean(axis=0)
    unit = 1 - np.minimum(mean, chance)
    gain = (values - mean) / unit
    n = len(table)
    reach = _null_reach(table) / unit
    above_reach = np.where(np.isnan(reach), gain, gain - reach)
    no_error = np.zeros(len(names))
    of_mean = table.var(axis=0, ddof=1) / n if n > 1 else no_error
    intervals = _intervals(gain, [observed[name] for name in names], of_mean, n, unit)
    intervals = np.clip(intervals, -mean / unit, (1 - mean) / unit)
    least = _intervals(gain, [observed[name] for name in names], no_error, n, unit)
    best = int(np.argmax(above_reach if above_reach.max() > 0 else gain))
    return ProbeExcess(
        names[best],
        float(gain[best]),
        float(intervals[0, best]),
        float(intervals[1].max()),
        float(least[0, best]),
        float(least[1].max()),
        {name: (float(gain[i]), *intervals[:, i].tolist()) for i, name in enumerate(names)},
        float(reach[best]),
        float((1 + (table[:, best] >= values[best]).sum()) / (1 + n)),
        dict(zip(names, mean.tolist(), strict=True)),
        n,
    )


def _intervals(gain: Doubles, observed: Sequence[Accuracy], of_mean: Doubles, n: int, unit: Doubles) -> Doubles:
    """Return lower and upper bounds of the gains, (2, P); ``of_mean`` : (P,) variances of the nulls' means."""
    of_plates = np.array([result.sd**2 for result in observed])
    plates = max(observed[0].freedom, 1)
    variance = of_plates + of_mean
    freedom = variance**2 / (of_plates**2 / plates + of_mean**2 / max(n - 1, 1))  # Welch, Satterthwaite
    sd = np.sqrt(variance) / unit
    below, above = (t.ppf(p, freedom) for p in (1 - (1 - LEVEL) / 2 / len(gain), (1 + LEVEL) / 2))
    return np.stack([gain - below * sd, gain + above * sd])


def _null_reach(table: Doubles) -> Doubles:
    """Return how far above its null's mean each probe gets under one more permutation, (P,); ``table`` : (J, P).

    The upper prediction bound, at a level that allows for the choice among probes, and no less than the largest value
    that occurred; NaN for a single permutation.
    """
    n, n_probes = table.shape
    if n < 2:
        return np.full(n_probes, np.nan)
    above = t.ppf(1 - (1 - LEVEL) / n_probes, n - 1) * table.std(axis=0, ddof=1) * np.sqrt(1 + 1 / n)
    return np.asarray(np.maximum(above, (table - table.mean(axis=0)).max(axis=0)))
