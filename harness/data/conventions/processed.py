"""Detect profiles that are already normalized or feature-selected, by names of files and by values."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from harness.core.arrays import Doubles, Floats, Mask

# What pycytominer and the JUMP production recipe append to the name of a file. ``_augmented`` (metadata joined, values
# raw) is none of them.
_STEPS = {
    "normalized": r"normali[sz]ed", "feature-selected": r"feature_?select(ed|ion)?|featselect|variable_selected",
    "sphered": r"sph?ered|spheri[sz]ed|sphering|whitened",
    "corrected": r"harmony|combat|batch_?corrected|PCA_corrected",
    "standardized": r"standardi[sz]ed|robusti[sz]ed|zscored?|mad_?robusti[sz]e",
}  # fmt: skip
FEATURES = 64  # so many features, spread over all, are representative of all
SHARE = 0.9  # of the features that vary: some are clipped, or fell below the resolution
TOLERANCE = 0.01  # values rounded to two decimals; far below the chance of raw values on a plate of controls
SCREEN_TOLERANCE = 1e-3  # a screen has so many rows that the mean of raw values near 0 may come close
_FEWEST = 4  # rows that have a spread
_MAD = 1.4826  # of a normal distribution


def step_in_name(path: Path) -> str | None:
    """Return the processing step that the name of a file mentions, e.g. ``normalized``, or None."""
    name = path.name.split(".")[0]
    steps = [step for step, pattern in _STEPS.items() if re.search(rf"(?:^|[_\-])({pattern})(?=$|[_\-])", name, re.I)]
    return " and ".join(steps) or None


def names_warning(paths: Sequence[Path]) -> str | None:
    """Return one line about files whose names say that they are normalized or selected, or None."""
    steps = {path: step for path in paths if (step := step_in_name(path))}
    if not steps:
        return None
    first, step = next(iter(steps.items()))
    return (
        f"{first.name}: by its name, profiles that are already {step} ({len(steps)} of {len(paths)} files); "
        "normalizations can only be compared on raw profiles (in pycytominer NAME_augmented.csv.gz or NAME.csv.gz)"
    )


def values_warning(parts: Sequence[Floats], wells: pd.DataFrame, *, source: str) -> str | None:
    """Return one line if the values are standardized already, or None.

    ``parts``: arrays (n_i, n_features), stacked vertically and aligned with ``wells`` (n rows). Standardized means
    mean 0 and sd 1, or median 0 and MAD or interquartile range 1, in nearly all features that vary: of the controls or
    all wells of every plate, or of the whole screen. Constant features do not count.
    """
    width = parts[0].shape[1]
    columns = np.unique(np.linspace(0, width - 1, min(width, FEATURES)).astype(int))
    X = np.concatenate([part[:, columns] for part in parts]).astype(np.float64)
    X[~np.isfinite(X)] = np.nan
    controls = (wells["role"] == "negcon").to_numpy()
    plates = list(pd.Series(wells["plate"].to_numpy()).groupby(wells["plate"].to_numpy()).indices.values())
    groups: dict[str, tuple[list[Doubles], float]] = {
        "the controls of every plate": ([X[rows[controls[rows]]] for rows in plates], TOLERANCE),
        "the wells of every plate": ([X[rows] for rows in plates], TOLERANCE),
        "all controls": ([X[controls]], SCREEN_TOLERANCE),
        "all wells": ([X], SCREEN_TOLERANCE),
    }
    for whose, (rows, tolerance) in groups.items():
        statistics = standard_statistics(rows, tolerance)
        if statistics:
            return (
                f"{source}: {whose} have {statistics} in nearly all features: these profiles are already normalized; "
                "normalizations can only be compared on raw profiles"
            )
    return None


def standard_statistics(groups: Sequence[Doubles], tolerance: float) -> str | None:
    """Return which statistics are 0 and 1 in nearly all features of each of ``groups`` (n_i, n_features), or None."""
    if min(map(len, groups)) < _FEWEST:
        return None
    for statistics, is_standard in {"mean 0 and sd 1": _moments, "median 0 and MAD or IQR 1": _order}.items():
        if all(_nearly_all(rows, is_standard, tolerance) for rows in groups):
            return statistics
    return None


def _nearly_all(rows: Doubles, is_standard: Callable[[Doubles, float], Mask], tolerance: float) -> bool:
    rows = rows[:, np.isfinite(rows).sum(axis=0) >= _FEWEST]
    rows = rows[:, np.nanmax(rows, axis=0) > np.nanmin(rows, axis=0)] if rows.shape[1] else rows
    return bool(rows.shape[1] and is_standard(rows, tolerance).mean() >= SHARE)


def _moments(rows: Doubles, tolerance: float) -> Mask:
    """Return features with mean 0 and sd 1, of either definition of the sd."""
    spreads = [np.abs(np.nanstd(rows, axis=0, ddof=ddof) - 1) <= tolerance for ddof in (0, 1)]
    standard: Mask = (np.abs(np.nanmean(rows, axis=0)) <= tolerance) & (spreads[0] | spreads[1])
    return standard


def _order(rows: Doubles, tolerance: float) -> Mask:
    """Return features with median 0 and MAD 1, scaled or not, or interquartile range 1."""
    median = np.nanmedian(rows, axis=0)
    deviation = np.nanmedian(np.abs(rows - median), axis=0)
    quartiles = np.nanquantile(rows, [0.25, 0.75], axis=0)
    spreads = [np.abs(spread - 1) <= tolerance for spread in (deviation, _MAD * deviation, quartiles[1] - quartiles[0])]
    standard: Mask = (np.abs(median) <= tolerance) & (spreads[0] | spreads[1] | spreads[2])
    return standard
