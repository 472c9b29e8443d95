"""Real control wells (BBBC021) as the background of planted effects: weeks are batches, their plates are plates."""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import pandas as pd

from experiments.bbbc021.prepare import PREFIX, SHARED, prepare
from harness.core.arrays import Doubles

NOT_MEASURED = re.compile(r"Location|Number|Parent|Children|Center_[XY]|Orientation|EulerNumber")


def is_available() -> bool:
    """Return whether the files of BBBC021 are at hand (``HARNESS_SHARED_DATA``)."""
    return (SHARED / "bbbc021").is_dir()


def measured(table: pd.DataFrame) -> list[str]:
    """Return the columns that hold measurements of cells: no metadata, no place on the plate or in the image."""
    return [c for c in table.select_dtypes("number") if not c.startswith(PREFIX) and not NOT_MEASURED.search(c)]


@cache
def control_wells() -> tuple[pd.Series[str], Doubles]:
    """Return the plate of each DMSO well, and the features that vary in every week, (330, n_features)."""
    table = prepare(SHARED / "bbbc021")
    table = table[table["moa"] == "DMSO"].reset_index(drop=True)
    plates = table[f"{PREFIX}Plate"].astype(str)
    X = table[measured(table)].to_numpy(dtype=np.float64)
    within = pd.DataFrame(X).groupby(plates).std().groupby(lambda plate: str(plate).split("_")[0]).median()
    varies = (within.to_numpy() > 1e-6 * np.abs(X).max(axis=0)).all(axis=0) & np.isfinite(X).all(axis=0)
    return plates, X[:, varies]


def real_background(wells: pd.DataFrame, biology: Doubles, n_features: int, rng: np.random.Generator) -> Doubles:
    """Return profiles that are mean of a real plate + residual of real control wells + effect, (n, n_features).

    A well's residual is a mixture of two real wells' (cosine and sine of a random angle, so that variances stay):
    330 wells drawn with replacement would tell their batch by being equal to each other. Residuals of all weeks are
    pooled and given the spread of the week; batches differ in level and spread as they do in the real screen.

    Raises
    ------
    ValueError : more batches than weeks.
    """
    plates, everything = control_wells()
    columns = rng.permutation(everything.shape[1])[:n_features]
    X = everything[:, columns]
    week = plates.str.split("_").str[0]
    by_plate, by_week = pd.DataFrame(X).groupby(plates.to_numpy()), week.groupby(plates.to_numpy()).first()
    means = by_plate.mean()
    residual = (X - means.loc[plates].to_numpy()) * np.sqrt(6 / 5)  # 6 wells a plate
    spread = pd.DataFrame(residual).groupby(week.to_numpy()).std()
    residual /= spread.loc[week].to_numpy()
    batches = wells["batch"].unique()
    if len(batches) > len(spread):
        raise ValueError(f"n_batches={len(batches)}; BBBC021 has {len(spread)} weeks")
    weeks = dict(zip(batches, rng.permutation(spread.index.to_numpy()), strict=False))
    out = np.empty((len(wells), n_features))
    for batch, rows in wells.groupby("batch", sort=False).indices.items():
        names = rng.permutation(by_week.index[by_week == weeks[batch]].to_numpy())
        number = pd.factorize(wells["plate"].iloc[rows])[0] % len(names)
        i, j = rng.integers(len(residual), size=(2, len(rows)))
        angle = rng.uniform(0, np.pi / 2, len(rows))[:, None]
        mixed = np.cos(angle) * residual[i] + np.sin(angle) * residual[j] + biology[rows]
        out[rows] = means.loc[names[number]].to_numpy() + spread.loc[weeks[batch]].to_numpy() * mixed
    return out
