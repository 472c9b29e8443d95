"""Hold out random wells: an upper bound within the distribution, no estimate for new batches."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from harness.core.evaluation import Split
from harness.core.exceptions import InputError
from harness.core.seeding import derive
from harness.settings.annotated_types import Folds, Seed
from harness.split.base import Splitter


class RandomWells(Splitter):
    """``n_folds`` folds of wells, each plate's controls and other wells dealt evenly.

    Wells are assigned by a hash of seed, plate and well, whatever the order of rows. Rows of one well (sites) always
    stay together.

    Raises
    ------
    InputError : fewer than 2 folds.
    """

    def __init__(self, *, n_folds: Folds = 5, compound_disjoint: bool = False, seed: Seed = 0) -> None:
        super().__init__(compound_disjoint=compound_disjoint, seed=seed)
        self.n_folds = n_folds

    def folds(self, wells: pd.DataFrame) -> Iterator[Split]:
        if self.n_folds < 2:
            raise InputError(f"split: n_folds={self.n_folds}; random_wells needs at least 2")
        keys = wells[["plate", "well", "role"]].drop_duplicates(["plate", "well"])
        rank = [derive(self.seed, "wells", p, w) for p, w in zip(keys["plate"], keys["well"], strict=True)]
        keys = keys.assign(rank=np.array(rank, dtype=np.uint64))
        order = keys.groupby(["plate", "role"])["rank"].rank(method="first").astype(int)
        groups = zip(keys["plate"], keys["role"], strict=True)
        keys["fold"] = (order + [derive(self.seed, "start", p, r) % self.n_folds for p, r in groups]) % self.n_folds
        fold = wells[["plate", "well"]].merge(keys, on=["plate", "well"], how="left")["fold"].to_numpy()
        width = len(str(self.n_folds))
        for i in range(self.n_folds):
            yield Split(f"fold{i + 1:0{width}}", fold != i, fold == i)
