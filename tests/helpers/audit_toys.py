"""Small asymmetric data for the batch-effect and replicate metrics."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from harness.core.finding import Finding
from harness.core.profiles import Profiles

SIZES = (60, 35, 25)  # wells of the toy's batches


def points(shift: float = 1.0, seed: int = 7) -> tuple[Any, Any]:
    """120 wells x 6 components in three unequal batches, each moved along its own direction: Z, batch."""
    rng = np.random.default_rng(seed)
    batch = rng.permutation(np.repeat(np.arange(3), SIZES))
    Z = rng.standard_normal((120, 6)) * [3, 2, 2, 1, 1, 0.5] + shift * rng.normal(0, 1.5, (3, 6))[batch]
    return (Z - Z.mean(axis=0)).astype(np.float32), batch


def compound_screen(
    *, effect: float = 1.5, batch_shift: float = 0.0, n_features: int = 25, n_compounds: int = 12, seed: int = 0
) -> Profiles:
    """9 plates in 3 batches of 4, 3 and 2; 7 to 9 controls a plate; compounds in random wells, each on 4 to 6 plates.

    Even compounds move the profile by ``effect`` sd along a direction of their own, odd ones do nothing. The last
    compound comes at two doses. Features have unequal levels (up to 1e5) and scales (1e-2 to 1e2).
    """
    rng = np.random.default_rng(seed)
    level, scale = 10 ** rng.uniform(0, 5, n_features), 10 ** rng.uniform(-2, 2, n_features)
    direction = rng.standard_normal((n_compounds, n_features))
    moved = batch_shift * rng.standard_normal((3, n_features))
    on = [rng.choice(9, 4 + c % 3, replace=False) for c in range(n_compounds)]
    tables, parts = [], []
    for p in range(9):
        here = [c for c in range(n_compounds) if p in on[c]]
        here += [-1] * (7 + p % 3)
        code = np.array(here)[rng.permutation(len(here))]
        spots = np.sort(rng.permutation(48)[: len(code)])
        b = np.searchsorted([4, 7, 9], p, side="right")
        x = rng.standard_normal((len(code), n_features)) + moved[b]
        x += np.where((code >= 0) & (code % 2 == 0), effect, 0.0)[:, None] * direction[code]
        parts.append(level + scale * x)
        tables.append(
            pd.DataFrame(
                {
                    "plate": f"p{9 - p}",
                    "well": [f"{chr(65 + s // 8)}{s % 8 + 1:02d}" for s in spots],
                    "batch": f"b{b}",
                    "role": np.where(code < 0, "negcon", "treated"),
                    "compound": [f"c{c:02d}" if c >= 0 else "DMSO" for c in code],
                    "dose": [10.0 if c == n_compounds - 1 and p < 5 else 1.0 for c in code],
                }
            )
        )
    return Profiles(np.concatenate(parts).astype(np.float32), pd.concat(tables, ignore_index=True), name="compounds")


def shuffled(profiles: Profiles, seed: int = 5) -> Profiles:
    """The same rows in another order: plates and the wells within them."""
    rng = np.random.default_rng(seed)
    plates = profiles.wells["plate"].unique()
    rows = [rng.permutation(np.flatnonzero((profiles.wells["plate"] == p).to_numpy())) for p in rng.permutation(plates)]
    order = np.concatenate(rows)
    return profiles.replace(X=profiles.X[order], wells=profiles.wells.iloc[order])


def by_key(findings: Any) -> dict[str, Finding]:
    return {f.key: f for f in findings}
