"""Hold out compounds; the training data holds other wells of their plates and batches."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
import pandas as pd

from harness.core.evaluation import Split
from harness.core.exceptions import InputError
from harness.settings.annotated_types import Folds, Seed
from harness.split.base import Splitter, deal_into_folds
from harness.split.random_wells import RandomWells
from harness.utils.text import as_text


class LeaveCompoundsOut(Splitter):
    """``n_folds`` folds of compounds: no compound of a treated well or a positive control is on both sides.

    Negative controls and empty wells are dealt by well, evenly within each plate, so that both sides have controls.
    A treated well or positive control without a compound is on neither side, since its compound may be on either; a
    warning says how many. To hold out batches as well: ``leave_batch_out`` with ``compound_disjoint``.

    Raises
    ------
    InputError : no column ``compound``, fewer than 2 folds, or fewer compounds than folds.
    """

    needs = ("compounds >= 5",)

    def __init__(self, *, n_folds: Folds = 5, seed: Seed = 0) -> None:
        super().__init__(seed=seed)
        self.n_folds = n_folds

    def folds(self, wells: pd.DataFrame) -> Iterator[Split]:
        if "compound" not in wells:
            raise InputError(
                "split: leave_compounds_out needs the column `compound`; map it with data.columns.compound"
            )
        compound = as_text(wells["compound"])
        by_well = wells["role"].isin(["negcon", "empty"]).to_numpy()
        unknown = ~by_well & (compound == "").to_numpy()
        names = sorted(set(compound[~by_well & ~unknown]))
        if not 2 <= self.n_folds <= len(names):
            raise InputError(f"split: n_folds={self.n_folds} of {len(names)} compounds; choose from 2 to their number")
        if unknown.any():
            message = f"split: {unknown.sum():,} wells without a compound are on neither side of any fold"
            warnings.warn(message, stacklevel=2)
        rest = wells[by_well].reset_index(drop=True)
        dealt = list(RandomWells(n_folds=self.n_folds, seed=self.seed).folds(rest)) if len(rest) else []
        parts = deal_into_folds(list(names), self.n_folds, self.seed, "compounds")
        for i, (name, held_out) in enumerate(parts.items()):
            test = np.where(by_well, False, compound.isin(held_out))
            if dealt:
                test[by_well] = dealt[i].test
            yield Split(name, ~test & ~unknown, test)
