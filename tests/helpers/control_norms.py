"""How well the norm of a profile tells controls from other wells."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import roc_auc_score

from harness.core.arrays import Doubles, Mask
from harness.core.profiles import Profiles
from harness.norm.base import Normalizer
from harness.norm.engine.normalize import normalize

SEEDS = range(8)


def squared_norms(profiles: Profiles, normalizer: Normalizer) -> tuple[Doubles, Mask]:
    """|z|^2 / G of each well, and which wells are controls."""
    Z = normalize(profiles, normalizer).X.astype(np.float64)
    return (Z**2).mean(axis=1), (profiles.wells["role"] == "negcon").to_numpy()


def auroc_of_norm(profiles: Profiles, normalizer: Normalizer) -> float:
    norm, control = squared_norms(profiles, normalizer)
    return float(roc_auc_score(~control, norm))


def standard_error(n_control: int, n_other: int, repeats: int) -> float:
    """Of a mean AUROC under the null (Mann & Whitney 1947)."""
    return float(np.sqrt((n_control + n_other + 1) / (12 * n_control * n_other * repeats)))
