"""Estimate how long one evaluation takes."""

from __future__ import annotations

import math

import pandas as pd

# Of python -m harness +norm=dmso_within with the default models, checks and figures on two cores: data=demo (7,528
# wells x 128 features, 5 folds) and BBBC021 (632 wells x 516 features, 10 folds) took 57 and 68 seconds of processor
# time, about 1.5 cores busy; a screen of 155,520 wells x 4,096 features, 10 folds, 12 minutes. The cost grows more
# slowly than the values do: models see projections of the features, and checks of a large screen some of its plates.
START = 10.0  # seconds: imports, reading, the run's record
PER_FOLD = 6.0  # seconds for each fold of a million values
GROWTH = 0.4


def expected_seconds(wells: pd.DataFrame, n_features: int, n_folds: int) -> float:
    """Return the seconds of one evaluation of ``n_features`` features with ``n_folds`` held-out groups."""
    n_wells = len(wells.drop_duplicates(["plate", "well"]))
    million_values: float = n_wells * n_features / 1e6
    return START + n_folds * PER_FOLD * math.pow(million_values, GROWTH)


def format_duration(seconds: float) -> str:
    """Return a duration in words, e.g. ``about 40 seconds``, ``about 3 minutes``."""
    if seconds < 90:
        return f"about {max(10, round(seconds, -1)):.0f} seconds"
    minutes = seconds / 60
    return f"about {minutes:.0f} minutes" if minutes < 90 else f"about {minutes / 60:.0f} hours"
