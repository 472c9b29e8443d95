"""How well the probes tell the batch, how sure that is, and how much better it is than under permuted batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t

from harness.audit.probes.partitions import Codes
from harness.bootstrap import LEVEL
from harness.types import Doubles


@dataclass(frozen=True)
class Accuracy:
    """Balanced accuracy and its standard error over plates within batches, with ``freedom`` plates to spare."""

    value: float
    sd: float
    freedom: int


def accuracy(correct: Doubles, plate: Codes, batch: Codes) -> Accuracy:
    """Return the mean over batches of the share of wells whose batch is told, and its standard error.

    Predictions are fixed; plates vary within their batch: the linearized, unbiased form of what a bootstrap of plates
    gives. The error is no less than that of as many independent wells.

    Parameters
    ----------
    correct : (n,) 0 to 1, how often the batch of a well is told. plate : (n,). batch : (Q,) of each plate.
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
class Excess:
    """How much of the way from chance to certainty the probe that gains most gains over permuted batches.

    Attributes
    ----------
    probe : its name. value, lower, upper : the largest over the probes, with its interval.
    least_lower, least_upper : the same interval if the null's mean had no error.
    by_probe : value, lower and upper of each probe alone.
    null_upper : what the same maximum reaches under permuted batches. p : of the permutation test.
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


def excess(observed: Mapping[str, Accuracy], null: Sequence[Mapping[str, float]], chance: float) -> Excess:
    """Compare each probe with its own mean under permuted batches, in units of 1 - chance; the largest counts.

    In units of 1 - null mean if that is below chance, as after a method that aligns batches by their labels. Not if
    it is above: a probe that tells any batches with 0.94 would turn a difference of 0.01 into 0.17.
    ``upper`` is the largest of the probes' upper bounds, so that it lies below a limit only if all do. ``lower`` is the
    largest of lower bounds at a level that allows for the choice among probes (Bonferroni). Both rest on plates within
    batches and on the error of the null's mean. Under permuted batches each permutation is compared with the mean of
    the others.
    """
    names = sorted(observed)
    table = np.array([[permuted[name] for name in names] for permuted in null])
    values = np.array([observed[name].value for name in names])
    mean = table.mean(axis=0)
    room = 1 - np.minimum(mean, chance)
    gain = (values - mean) / room
    n = len(table)
    largest = _largest_under_null(table, room)
    exact = np.zeros(len(names))
    of_mean = table.var(axis=0, ddof=1) / n if n > 1 else exact
    intervals = _intervals(gain, [observed[name] for name in names], of_mean, n, room)
    intervals = np.clip(intervals, -mean / room, (1 - mean) / room)
    least = _intervals(gain, [observed[name] for name in names], exact, n, room)
    best = int(np.argmax(gain))
    return Excess(
        names[best],
        float(gain[best]),
        float(intervals[0].max()),
        float(intervals[1].max()),
        float(least[0].max()),
        float(least[1].max()),
        {name: (float(gain[i]), *intervals[:, i].tolist()) for i, name in enumerate(names)},
        _prediction_bound(largest),
        float((1 + (largest >= gain[best]).sum()) / (1 + n)),
        dict(zip(names, mean.tolist(), strict=True)),
        n,
    )


def _intervals(gain: Doubles, observed: Sequence[Accuracy], of_mean: Doubles, n: int, room: Doubles) -> Doubles:
    """Return lower and upper bounds of the probes, (2, P), with the variances of their nulls' means."""
    of_plates = np.array([result.sd**2 for result in observed])
    plates = max(observed[0].freedom, 1)
    variance = of_plates + of_mean
    freedom = variance**2 / (of_plates**2 / plates + of_mean**2 / max(n - 1, 1))  # Welch, Satterthwaite
    sd = np.sqrt(variance) / room
    below, above = (t.ppf(p, freedom) for p in (1 - (1 - LEVEL) / 2 / len(gain), (1 + LEVEL) / 2))
    return np.stack([gain - below * sd, gain + above * sd])


def _largest_under_null(table: Doubles, room: Doubles) -> Doubles:
    """Return for each permutation the largest gain of a probe over its mean in the other permutations, (J,)."""
    n = len(table)
    if n < 2:
        return np.zeros(n)
    others = (table.sum(axis=0) - table) / (n - 1)
    return np.asarray(((table - others) / room).max(axis=1))


def _prediction_bound(values: Doubles) -> float:
    """Return the upper 95% bound of one more value, no less than the largest seen; NaN for a single one."""
    n = len(values)
    if n < 2:
        return float("nan")
    bound = values.mean() + t.ppf(LEVEL, n - 1) * values.std(ddof=1) * np.sqrt(1 + 1 / n)
    return float(max(bound, values.max()))
