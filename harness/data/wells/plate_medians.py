"""Medians of plates, and their correlation within and between batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from harness.core.exceptions import NotApplicable

if TYPE_CHECKING:
    from harness.core.arrays import Doubles
    from harness.core.profiles import Profiles


def plate_medians(profiles: Profiles, *, heldout: bool) -> tuple[Doubles, pd.DataFrame]:
    """Return feature-wise medians (n_plates, n_features), NaN for plates without such wells, and a table of plates."""
    medians, rows = [], []
    for plate in profiles:
        selected = plate.wells["heldout_control"] if heldout else plate.wells["role"] == "treated"
        mask = selected.to_numpy(dtype=bool)
        wells = plate.X[mask].astype(np.float64)
        medians.append(np.median(wells, axis=0) if len(wells) else np.full(plate.X.shape[1], np.nan))
        rows.append((plate.name, str(plate.wells["batch"].iloc[0]), len(wells)))
    table = pd.DataFrame(rows, columns=["plate", "batch", "n_wells"])
    table.insert(2, "medians_of", "held-out control wells" if heldout else "treated wells (too few held-out controls)")
    return np.array(medians), table


def correlate(medians: Doubles) -> Doubles:
    """Compute the Pearson correlation between plates, (n_plates, n_plates), from medians (n_plates, n_features).

    Every feature is first centred and scaled over plates. Without that, features of unequal level (areas in
    thousands beside ratios near 1) put every plate on the same long profile, and every correlation is 1.0.
    Features that do not vary over plates are left out. Centring makes the correlation of
    unrelated plates -1/(n_plates - 1) on average rather than 0, and of two plates always -1: fewer than 3 are
    refused. Plates with an undefined median, or with no deviation from the mean plate, have NaN in their row
    and column.
    """
    is_defined = np.isfinite(medians).all(axis=1)
    if is_defined.sum() < 3:
        raise NotApplicable(f"{is_defined.sum()} plates with defined medians; a correlation between plates needs 3")
    x = medians[is_defined]
    varies = np.ptp(x, axis=0) > 1e-6 * np.abs(x).max(axis=0)  # of float32 profiles
    if varies.sum() < 2:
        raise NotApplicable(f"plate medians vary in {varies.sum()} features; a correlation needs 2")
    x = x[:, varies]
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    z -= z.mean(axis=1, keepdims=True)
    length = np.linalg.norm(z, axis=1)
    z /= np.where(length > 1e-9 * np.sqrt(z.shape[1]), length, np.nan)[:, None]
    correlation = np.full((len(medians), len(medians)), np.nan)
    correlation[np.ix_(is_defined, is_defined)] = np.clip(z @ z.T, -1.0, 1.0)
    return correlation


def within_minus_between(table: pd.DataFrame) -> float:
    """Return the mean correlation of plates of the same batch minus that of plates of different batches.

    ``table`` is ``plate_correlation``; pairs of a plate with itself and undefined correlations are left out.
    Raises NotApplicable if no batch has two plates, or all plates are in one batch.
    """
    pairs = table[(table["plate_a"] != table["plate_b"]) & table["correlation"].notna()]
    same = (pairs["batch_a"] == pairs["batch_b"]).to_numpy()
    if same.all() or not same.any():
        kind = "between two batches" if same.any() else "within a batch"
        raise NotApplicable(f"no pair of plates {kind} has a defined correlation")
    value = pairs["correlation"].to_numpy()
    return float(value[same].mean() - value[~same].mean())
