"""Splits into training and held-out wells, and the predictions for held-out wells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.core.arrays import Doubles, Mask


@dataclass(frozen=True)
class Split:
    """One fold: ``train`` and ``test`` are boolean masks (n_wells,) over the table that was split."""

    name: str
    train: Mask
    test: Mask


@dataclass(frozen=True)
class Evaluation:
    """Held-out predictions of one model on one fold: the input of every metric.

    Attributes
    ----------
    y : (n,) int8, the true class (1 = positive).
    score : (n,) float64, probability of the positive class, on the training set's class frequencies.
    threshold : a score above it is called positive; set on training data; one number or one per well.
    wells : the n held-out rows of the wells table.
    split : the fold. ``seed`` derives every resample, so that it is shared by all normalizations.
    group : which of a task's labels was predicted, e.g. an assay; empty if the task has one.
    unit : the column of ``wells`` that is resampled: ``plate``, or ``compound`` if the rows are compounds of a
        held-out batch and ``score`` is the mean over their wells.
    rows : (n,) row numbers of ``wells`` in the table of the profiles; None if unknown.
    """

    y: NDArray[np.int8]
    score: Doubles
    threshold: float | Doubles
    wells: pd.DataFrame
    split: Split
    seed: int = 0
    group: str = ""
    unit: str = "plate"
    rows: NDArray[np.intp] | None = None
