"""Hold out whole plates; the training data may hold other plates of their batch."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from harness.core.evaluation import Split
from harness.core.exceptions import InputError
from harness.settings.annotated_types import Folds, Seed
from harness.split.base import Splitter, deal_into_folds, hold_out


class LeavePlateOut(Splitter):
    """One fold per plate, or ``n_folds`` folds of whole plates.

    Parameters
    ----------
    n_folds : number of folds; None holds out every plate by itself, which costs one training per plate.

    Raises
    ------
    InputError : fewer than two plates, or fewer plates than folds.
    """

    needs = ("plates >= 2",)

    def __init__(self, *, n_folds: Folds | None = None, compound_disjoint: bool = False, seed: Seed = 0) -> None:
        super().__init__(compound_disjoint=compound_disjoint, seed=seed)
        self.n_folds = n_folds

    def folds(self, wells: pd.DataFrame) -> Iterator[Split]:
        plates = list(pd.unique(wells["plate"]))
        n_folds = len(plates) if self.n_folds is None else self.n_folds
        if not 2 <= n_folds <= len(plates):
            raise InputError(f"split: {n_folds} folds of {len(plates)} plates; choose from 2 to {len(plates)}")
        groups = (
            {p: [p] for p in plates} if self.n_folds is None else deal_into_folds(plates, n_folds, self.seed, "plates")
        )
        return hold_out(wells, "plate", groups)
