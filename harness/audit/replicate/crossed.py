"""Means over compounds of means over their wells, their differences and ratios, with compounds and plates resampled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import coo_array

from harness.audit.base import AuditContext
from harness.audit.replicate.selection import Ints
from harness.core.arrays import Doubles, Mask
from harness.core.seeding import generator
from harness.scoring.bootstrap import interval, resample


@dataclass(frozen=True)
class Score:
    """A number with its 95% interval, or a NaN with a code and a reason."""

    value: float
    lower: float = float("nan")
    upper: float = float("nan")
    code: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Draws:
    """Resamples of the n wells for which a score is defined: compounds and plates are drawn, each on its own.

    A compound has wells on several plates and a plate has wells of many compounds, so neither alone would do: draws of
    plates (within batches, and batches above) are multiplied with draws of compounds (the pigeonhole bootstrap, Owen
    2007, Annals of Applied Statistics 1, 386; somewhat too wide rather than too narrow).

    Attributes
    ----------
    defined : rows of the selected wells that count. compound, plate : (n,) numbers.
    by_compound : (n_compounds, R) and by_plate (n_plates, R) multiplicities.
    """

    defined: Mask
    compound: Ints
    plate: Ints
    by_compound: Doubles
    by_plate: Doubles

    def mean(self, score: Doubles) -> Score:
        """Return the mean over compounds of the mean over their wells; ``score`` is of all selected wells."""
        numbers = self._numbers(score)
        return Score(self._value(numbers), *interval(self._resampled(numbers)))

    def ratio(self, a: Doubles, b: Doubles) -> Score:
        """Return the ratio of two means, of the same resamples."""
        upper, lower = self._numbers(a), self._numbers(b)
        below = self._resampled(lower)
        draws = np.divide(self._resampled(upper), below, out=np.full(len(below), np.nan), where=below > 0)
        return Score(self._value(upper) / self._value(lower), *interval(draws))

    def _numbers(self, score: Doubles) -> Doubles:
        numbers = score[self.defined]
        if np.isnan(numbers).any():
            raise ValueError("a score is undefined for wells for which another is defined")
        return np.asarray(numbers)

    def _value(self, numbers: Doubles) -> float:
        return float((np.bincount(self.compound, numbers) / np.bincount(self.compound)).mean())

    def _resampled(self, numbers: Doubles) -> Doubles:
        share = 1.0 / np.bincount(self.compound)[self.compound]
        weight = self._total(share)
        total = self._total(share * numbers)
        return np.asarray(np.divide(total, weight, out=np.full(len(weight), np.nan), where=weight > 0))

    def _total(self, x: Doubles) -> Doubles:
        shape = (len(self.by_compound), len(self.by_plate))
        return np.asarray(
            (self.by_compound * (coo_array((x, (self.compound, self.plate)), shape) @ self.by_plate)).sum(axis=0)
        )


def crossed(context: AuditContext, wells: pd.DataFrame, compound: Ints, defined: Mask) -> Draws:
    """Draw compounds and plates of the ``defined`` (n_selected,) rows of ``wells``; ``compound`` numbers them."""
    drawn = resample(wells[defined], n=context.n_resamples, seed=context.seed)
    plates = pd.Index(drawn.plates).get_indexer(pd.Index(wells.loc[defined, "plate"]))
    names, number = np.unique(compound[defined], return_inverse=True)
    rng = generator(context.seed, "bootstrap compounds", len(names))
    by_compound = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), context.n_resamples).T
    return Draws(
        defined,
        np.asarray(number, dtype=np.intp),
        np.asarray(plates, dtype=np.intp),
        by_compound.astype(np.float64),
        (drawn.within * drawn.above).T,
    )
