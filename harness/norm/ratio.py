"""Divide each feature by its batch mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

import numpy as np
import pandas as pd

from harness.core.arrays import Floats
from harness.core.exceptions import InputError
from harness.core.profiles import Plate
from harness.core.scope import FitScope
from harness.norm.base import Normalizer
from harness.numerics.constant_features import CENTRED, LEFT_ALONE, centres
from harness.numerics.moments import Moments, moments
from harness.numerics.standardize import fallback_report


class Ratio(Normalizer):
    """x / mean of the batch's wells (scope: batch; empty wells are not read).

    A ratio is defined for quantities that are never negative. A feature with a negative value in the batch, or with
    nothing but zeros, is left alone there and reported: its mean may be near 0 or of either sign, and dividing by it
    would blow it up or turn it round. Where such values occur in some batches only, the feature is left in its own
    units in those and divided in the others: look at the report, and prefer ``mean`` there.

    Parameters
    ----------
    on_constant : what becomes of a feature that is constant in the batch, of whatever sign: ``centre`` makes it 1, its
        ratio to itself, ``leave`` treats it as any other feature.

    Raises
    ------
    InputError : no feature of a batch can be divided (profiles that were centred or standardized before); an unknown
        ``on_constant``.

    Notes
    -----
    Assumes that a batch multiplies every feature by a constant, and that batches hold the same mixture of wells: a
    phenotype that is commoner in one batch moves its mean and is divided away: it over-normalizes. Works for an unseen
    batch, all of whose wells are read, never their roles. Kothari et al. 2014, IEEE J. Biomed. Health Inform. 18.
    """

    scope = FitScope.BATCH
    needs = ("nonnegative_features >= 1",)

    def __init__(self, *, on_constant: Literal["centre", "leave"] = "centre") -> None:
        self.on_constant = on_constant

    def fit(self, plates: Sequence[Plate]) -> Self:
        centre = centres(type(self).__name__, self.on_constant)
        total, low = Moments(np.float64(0), *np.zeros((2, plates[0].X.shape[1]))), np.float32(np.inf)
        for plate in plates:
            total = total.merge(moments(plate.X, rows=plate.filled))
            low = np.minimum(low, plate.X.min(axis=0, where=plate.filled[:, None], initial=np.inf))
        mean = total.mean.astype(np.float32)
        alone = (low < 0) | (mean == 0)
        self.batch_ = str(plates[0].wells["batch"].iloc[0])
        if alone.all():
            raise InputError(
                f"Ratio: every feature of batch {self.batch_!r} has a negative value or is 0 throughout, a ratio needs "
                "features that are never negative; give profiles that were not centred, or choose norm=mean"
            )
        self.mean_ = np.where(alone, np.float32(1), mean)
        self.constant_ = (total.sd == 0) & centre
        self.fallback_ = np.select([self.constant_, alone], [CENTRED, LEFT_ALONE]).astype(np.int8)
        return self

    def transform(self, plate: Plate) -> Floats:
        out: Floats = np.divide(plate.X, self.mean_, dtype=np.float32)
        out[:, self.constant_] = 1
        return out

    def report(self) -> pd.DataFrame:
        return fallback_report(f"batch {self.batch_}", self.fallback_)
