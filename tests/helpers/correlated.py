"""A screen without biology whose features are correlated, and how well the norm of a row tells controls from others."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from harness.core.arrays import Doubles
from harness.core.evaluation import Split
from harness.core.profiles import Plate, Profiles
from harness.data.wells.aggregation import well_table
from harness.norm.base import Normalizer
from harness.norm.engine.crossfit import fold_of
from harness.norm.engine.exchangeable import control_wells
from harness.norm.engine.normalize import normalize

_FACTORS = 10


def level_and_sd(n_features: int) -> tuple[Doubles, Doubles]:
    """True mean and sd of the features of :func:`correlated_noise`."""
    rng = np.random.default_rng(99)
    return rng.normal(0, 20, n_features), rng.lognormal(0, 1, n_features)


def correlated_noise(
    seed: int, *, n_features: int = 60, n_plates: int = 8, n_wells: int = 48, k: int = 12, n_batches: int = 4
) -> Profiles:
    """Gaussian noise with ten common factors, unequal levels and scales, ``k`` controls per plate like all others."""
    rng = np.random.default_rng(seed)
    n = n_plates * n_wells
    loading = rng.standard_normal((_FACTORS, n_features))
    X = rng.standard_normal((n, _FACTORS)) @ loading + rng.standard_normal((n, n_features))
    level, sd = level_and_sd(n_features)
    X = level + X / np.sqrt((loading**2).sum(axis=0) + 1) * sd
    tables = []
    for p in range(n_plates):
        role = np.full(n_wells, "treated", dtype=object)
        role[rng.permutation(n_wells)[:k]] = "negcon"
        wells = [f"{chr(65 + i // 12)}{i % 12 + 1:02d}" for i in range(n_wells)]
        compound = np.where(role == "negcon", "DMSO", [f"c{i:02d}" for i in range(n_wells)])
        table = {"plate": f"p{p:02d}", "well": wells, "batch": f"b{p * n_batches // n_plates}", "role": role}
        tables.append(pd.DataFrame({**table, "compound": compound}))
    return Profiles(X.astype(np.float32), pd.concat(tables, ignore_index=True), name="correlated noise")


def auroc_of_norm(profiles: Profiles, normalizer: Normalizer, *, in_units: bool = False) -> float:
    """AUROC of the norm of a row for wells that are not controls; about the true mean where rows are ``in_units``.

    About 0 or the true mean, not that of the rows: leaving x_i out of the mean that is taken from it drives it away
    from the centre of all rows.
    """
    Z = normalize(profiles, normalizer).X.astype(np.float64)
    if in_units:
        level, sd = level_and_sd(Z.shape[1])
        Z = (Z - level) / sd
    control = (profiles.wells["role"] == "negcon").to_numpy()
    return float(roc_auc_score(~control, (Z**2).sum(axis=1)))


def folds(plate: Plate, n_folds: int, seed: int = 0) -> NDArray[np.int64]:
    """Of a plate whose controls were read by the fit."""
    return fold_of(plate, control_wells(plate), n_folds, seed)


def hold_out(profiles: Profiles, plate: str) -> Split:
    test = (well_table(profiles.wells)["plate"] == plate).to_numpy()
    return Split(plate, ~test, test)
