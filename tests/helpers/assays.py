"""A small screen with several labels per compound, and a task that predicts them, for tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from harness.core.arrays import Doubles
from harness.core.evaluation import Split
from harness.core.exceptions import InputError
from harness.core.profiles import Profiles
from harness.core.task import Task


class Assays(Task):
    """Labels by compound from a table (index: compound), one column per assay; controls take no part."""

    name = "assays"
    unit = "compound"

    def __init__(self, table: pd.DataFrame) -> None:
        self.table = table

    @property
    def groups(self) -> Sequence[str]:
        return tuple(self.table.columns)

    def labels(self, wells: pd.DataFrame) -> Doubles:
        return np.asarray(self.table.reindex(wells["compound"]), dtype=np.float64)

    def check(self, wells: pd.DataFrame, split: Split) -> None:
        if np.isnan(self.labels(wells)[split.test]).all():
            raise InputError(f"fold {split.name!r} has no labels")

    def tables(self) -> dict[str, pd.DataFrame]:
        return {"assays": pd.DataFrame({"assay": self.table.columns, "active": self.table.sum().to_numpy()})}


def assay_screen(
    *, n_batches: int = 4, n_compounds: int = 24, n_features: int = 12, missing: float = 0.3, seed: int = 0
) -> tuple[Profiles, Assays]:
    """Batches of two plates with ``n_compounds`` of their own, 1 to 4 wells each, and 6 controls a plate.

    Assay ``a0`` follows feature 3 strongly, ``a1`` feature 5 weakly, ``a2`` nothing and is rare; in ``a3`` compounds of
    batch ``b1`` have no label, in ``a4`` all of ``b2``'s are inactive, and in ``a5`` only ``b0`` has labels.
    """
    rng = np.random.default_rng(seed)
    tables, names = [], []
    for b in range(n_batches):
        own = [f"b{b}c{i:02d}" for i in range(n_compounds)]
        names += own
        wells = np.repeat(own, rng.integers(1, 5, n_compounds))
        plate = np.where(rng.random(len(wells)) < 0.4, f"b{b}p1", f"b{b}p2")
        treated = pd.DataFrame({"plate": plate, "role": "treated", "compound": wells})
        controls = pd.DataFrame({"plate": [f"b{b}p1", f"b{b}p2"] * 6, "role": "negcon", "compound": "DMSO"})
        table = pd.concat([treated, controls]).sort_values("plate", kind="stable").assign(batch=f"b{b}")
        table["well"] = [f"w{i:02d}" for i in table.groupby("plate").cumcount()]
        tables.append(table)
    wells = pd.concat(tables, ignore_index=True)
    effect = pd.DataFrame(rng.normal(0, 1, (len(names), n_features)), index=names)
    truth = effect.reindex(wells["compound"]).fillna(0).to_numpy()
    shift = rng.normal(0, 0.3, (n_batches, n_features))[wells["batch"].str[1:].astype(int)]
    scale = 5 * 3.0 ** rng.normal(0, 1, n_features)
    X = (40 + scale * (shift + truth + rng.normal(0, 0.5, truth.shape))).astype(np.float32)
    labels = pd.DataFrame(index=names, dtype=float)
    labels["a0"] = effect[3] > 0.2
    labels["a1"] = effect[5] + rng.normal(0, 2, len(names)) > 0
    labels["a2"] = rng.random(len(names)) < 0.2
    labels = labels.astype(float).mask(rng.random(labels.shape) < missing)
    batch = labels.index.str[:2]
    labels["a3"] = (effect[3] > 0).astype(float).mask(batch == "b1")
    labels["a4"] = (effect[5] > 0).astype(float).mask(batch == "b2", 0.0)
    labels["a5"] = (effect[3] > 0).astype(float).where(batch == "b0")
    return Profiles(X, wells, name="assay toy"), Assays(labels)
