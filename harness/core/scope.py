"""Fit scope: the rows that a normalizer may read."""

from __future__ import annotations

from enum import StrEnum


class FitScope(StrEnum):
    """The rows that a normalizer may read while fitting."""

    PLATE = "plate"  # the plate being transformed
    BATCH = "batch"  # the batch being transformed
    TRAIN = "train"  # training rows only, then frozen
    TRAIN_AND_CONTROLS = "train_and_controls"  # training rows, then the controls of the batch being transformed
    TRANSDUCTIVE = "transductive"  # every row's features, never a task's label
