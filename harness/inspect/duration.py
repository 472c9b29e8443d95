"""Tell about how long one evaluation takes."""

from __future__ import annotations

import pandas as pd

# Measured on two cores with the default models, checks and figures: python -m harness +norm=dmso_within on data=demo
# (1,920 wells x 300 features, 4 folds) and on BBBC021 (632 wells x 516 features, 10 folds).
START = 8.0  # seconds: imports and the run's record
PER_FOLD = 1.0  # seconds: a model of few wells
PER_VALUE = 3e-6  # seconds for a value of a training well, in each fold


def expected_seconds(wells: pd.DataFrame, n_features: int, n_folds: int) -> float:
    """Return seconds of one evaluation of ``n_features`` features with ``n_folds`` held-out groups."""
    n_wells = len(wells.drop_duplicates(["plate", "well"]))
    return START + n_folds * (PER_FOLD + PER_VALUE * n_wells * n_features)


def about(seconds: float) -> str:
    """Return a duration in words, e.g. ``about 40 seconds``, ``about 3 minutes``."""
    if seconds < 90:
        return f"about {max(10, round(seconds, -1)):.0f} seconds"
    minutes = seconds / 60
    return f"about {minutes:.0f} minutes" if minutes < 90 else f"about {minutes / 60:.0f} hours"
