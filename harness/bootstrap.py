"""Resamples of plates within batches and of batches above them, shared by all normalizations.

Wells of a plate are not independent, so plates are drawn, with replacement, within each held-out batch, and batches
above them (Davison & Hinkley 1997, section 3.8). With fewer than :data:`FEWEST_BATCHES` held-out batches only plates
are drawn: resamples of two or three batches would show neither how much batches vary nor that it is not known.
Draws are derived from the seed and the names of batches and
plates only: two normalizations of the same data and split see the same resamples, and their differences are paired.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from harness.seeding import generator
from harness.types import Doubles, Evaluation
from harness.weights import Weights

LEVEL = 0.95
FEWEST_BATCHES = 4


@dataclass(frozen=True)
class Resamples:
    """Multiplicities of plates within their batch and of batches, R draws each.

    Attributes
    ----------
    within : (R, n_plates), how often each plate is drawn within its batch.
    above : (R, n_plates), how often the plate's batch is drawn.
    plates : the n_plates names; ``batch`` their batches.
    """

    within: Doubles
    above: Doubles
    plates: tuple[str, ...]
    batch: tuple[str, ...]

    def of(self, evaluation: Evaluation) -> tuple[Weights, Doubles]:
        """Weights of a fold's wells, and of the fold as a whole, (R,).

        A fold inside one batch resamples plates only, and the batch's multiplicity weighs the fold; a fold over
        several batches resamples both at once.
        """
        index = pd.Index(self.plates).get_indexer(pd.Index(evaluation.wells["plate"]))
        own = np.unique(index)
        joint = self.within * self.above
        one_batch = len({self.batch[i] for i in own}) == 1
        return Weights(self.within if one_batch else joint, index), joint[:, own].sum(axis=1) / len(own)


def resample(wells: pd.DataFrame, *, n: int, seed: int) -> Resamples:
    """Draw ``n`` resamples of the plates of the held-out ``wells``, and of their batches from FEWEST_BATCHES on."""
    plates = wells[["plate", "batch"]].drop_duplicates("plate").sort_values(["batch", "plate"])
    within, above = [], []
    names = sorted(plates["batch"].unique())
    drawn = np.ones((n, len(names)), dtype=np.int64)
    if len(names) >= FEWEST_BATCHES:
        rng = generator(seed, "bootstrap batches", *names)
        drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), n)
    for i, name in enumerate(names):
        own = plates.loc[plates["batch"] == name, "plate"]
        draw = generator(seed, "bootstrap plates", *own).multinomial(len(own), np.full(len(own), 1 / len(own)), n)
        within.append(draw)
        above.append(np.repeat(drawn[:, [i]], len(own), axis=1))
    return Resamples(
        np.hstack(within).astype(np.float64),
        np.hstack(above).astype(np.float64),
        tuple(plates["plate"]),
        tuple(plates["batch"]),
    )


def weighted_mean(values: Doubles, weight: Doubles) -> Doubles:
    """Mean over folds for each draw: values and weight (R, n_folds); undefined folds are left out."""
    weight = np.where(np.isnan(values), 0.0, weight)
    total = weight.sum(axis=1)
    mean = np.full(len(values), np.nan)
    np.divide((np.nan_to_num(values) * weight).sum(axis=1), total, out=mean, where=total > 0)
    return mean


def interval(values: Doubles, *, level: float = LEVEL) -> tuple[float, float]:
    """Percentile interval of resampled values; NaN, NaN where fewer than half of them are defined.

    Values that are all equal give an interval without width: a perfect score is no less certain for being perfect.
    """
    defined = values[~np.isnan(values)]
    if len(defined) < 2 or len(defined) < len(values) / 2:
        return float("nan"), float("nan")
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
