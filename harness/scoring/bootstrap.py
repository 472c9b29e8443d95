"""Resamples of plates within batches and of batches above them, shared by all normalizations.

Wells of a plate are not independent, so plates are drawn, with replacement, within each held-out batch, and batches
above them (Davison & Hinkley 1997, section 3.8). With fewer than :data:`FEWEST_BATCHES` held-out batches only plates
are drawn: resamples of two or three batches would show neither how much batches vary nor that it is not known. Draws
are derived from the seed and the names of batches and plates only: two normalizations of the same data and split see
the same resamples, and their differences are paired.

If compounds are scored (the task's unit), compounds take the place of plates: all held-out compounds of a
batch are drawn at once, for all assays, so that assays which share compounds vary together.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from harness.core.arrays import Doubles
from harness.core.evaluation import Evaluation
from harness.core.seeding import generator
from harness.metric.shared.weights import BootstrapWeights

LEVEL = 0.95
FEWEST_BATCHES = 4


@dataclass(frozen=True)
class Resamples:
    """Multiplicities of plates within their batch and of batches, R draws each; or of compounds in place of plates.

    Attributes
    ----------
    within : (R, n_plates), how often each plate is drawn within its batch.
    above : (R, n_plates), how often the plate's batch is drawn.
    plates : the n_plates names; ``batch`` their batches. A compound occurs once for each of its batches.
    unit : the column of wells that ``plates`` name.
    """

    within: Doubles
    above: Doubles
    plates: tuple[str, ...]
    batch: tuple[str, ...]
    unit: str = "plate"

    def weights_of(self, evaluation: Evaluation) -> tuple[BootstrapWeights, Doubles]:
        """Return the weights of a fold's wells, and of the fold as a whole, (R,).

        A fold inside one batch resamples plates only, and the batch's multiplicity weighs the fold; a fold over
        several batches resamples both at once. Compounds are drawn whether a label is known for them or not: how many
        of those with a label are drawn does not change the weight of their batch.
        """
        index = self._unit_index.get_indexer(_keys(evaluation.wells["batch"], evaluation.wells[self.unit]))
        present = np.unique(index)
        within, above = self.within[:, present], self.above[:, present]
        one_batch = len({self.batch[i] for i in present}) == 1
        if self.unit != "plate":
            weight = BootstrapWeights(within if one_batch else within * above, np.searchsorted(present, index))
            return weight, above[:, 0] if one_batch else (within * above).sum(axis=1) / len(present)
        # plates are few: a column for each of the screen, whether the fold has it or not
        weight = BootstrapWeights(self.within if one_batch else self.within * self.above, index)
        return weight, (within * above).sum(axis=1) / len(present)

    @cached_property
    def _unit_index(self) -> pd.Index[Any]:
        return _keys(pd.Series(self.batch), pd.Series(self.plates))


def _keys(batch: pd.Series[Any], name: pd.Series[Any]) -> pd.Index[Any]:
    return pd.Index([f"{b}\x1f{n}" for b, n in zip(batch, name, strict=True)])


def resample(wells: pd.DataFrame, *, n: int, seed: int, unit: str = "plate") -> Resamples:
    """Draw ``n`` resamples of the plates of the held-out ``wells``, and of their batches from FEWEST_BATCHES on.

    ``unit`` is the column whose values are drawn within each batch, ``plate`` or ``compound``.
    """
    plates = wells[[unit, "batch"]].drop_duplicates().sort_values(["batch", unit])
    within, above = [], []
    names = sorted(plates["batch"].unique())
    drawn = np.ones((n, len(names)), dtype=np.int64)
    if len(names) >= FEWEST_BATCHES:
        rng = generator(seed, "bootstrap batches", *names)
        drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), n)
    for i, name in enumerate(names):
        in_batch = plates.loc[plates["batch"] == name, unit]
        draw = generator(seed, f"bootstrap {unit}s", *in_batch).multinomial(
            len(in_batch), np.full(len(in_batch), 1 / len(in_batch)), n
        )
        within.append(draw)
        above.append(np.repeat(drawn[:, [i]], len(in_batch), axis=1))
    return Resamples(
        np.hstack(within).astype(np.float64),
        np.hstack(above).astype(np.float64),
        tuple(plates[unit]),
        tuple(plates["batch"]),
        unit,
    )


def weighted_mean(values: Doubles, weight: Doubles) -> Doubles:
    """Return the mean over folds for each draw: values and weight (R, n_folds); undefined folds are left out."""
    weight = np.where(np.isnan(values), 0.0, weight)
    total = weight.sum(axis=1)
    mean = np.full(len(values), np.nan)
    np.divide((np.nan_to_num(values) * weight).sum(axis=1), total, out=mean, where=total > 0)
    return mean


def interval(values: Doubles, *, level: float = LEVEL) -> tuple[float, float]:
    """Return the percentile interval of resampled values; NaN, NaN if fewer than half of them are defined.

    Values that are all equal give an interval without width: a perfect score is no less certain for being perfect.
    """
    defined = values[~np.isnan(values)]
    if len(defined) < 2 or len(defined) < len(values) / 2:
        return float("nan"), float("nan")
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
