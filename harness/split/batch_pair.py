"""Train on some batches and test on others, both named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

import pandas as pd

from harness.core.evaluation import Split
from harness.core.exceptions import InputError
from harness.settings.annotated_types import Name, Seed
from harness.settings.limits import NotEmpty
from harness.split.base import Splitter, require_batches

Batches = Name | Annotated[Sequence[Name], NotEmpty()]


class BatchPair(Splitter):
    """One fold: ``train`` batches against ``test`` batches.

    Raises
    ------
    InputError : a batch on both sides, or one that the data do not have.
    """

    needs = ("batches >= 2",)

    def __init__(self, *, train: Batches, test: Batches, compound_disjoint: bool = False, seed: Seed = 0) -> None:
        super().__init__(compound_disjoint=compound_disjoint, seed=seed)
        self.train = train
        self.test = test

    def folds(self, wells: pd.DataFrame) -> Iterator[Split]:
        names = require_batches(wells)
        train, test = _names(self.train), _names(self.test)
        unknown = [b for b in train + test if b not in names]
        both = [b for b in train if b in test]
        if unknown:
            raise InputError(f"split: unknown batches {unknown}; the data have {names}")
        if both:
            raise InputError(f"split: batches {both} are in both split.train and split.test; a batch goes on one side")
        is_train, is_test = (wells["batch"].isin(side).to_numpy() for side in (train, test))
        yield Split("+".join(test), is_train, is_test)


def _names(side: Sequence[str] | str) -> list[str]:
    return [side] if isinstance(side, str) else [str(name) for name in side]
