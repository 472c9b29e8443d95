"""Train on all batches but one, test on the one that no model has seen."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from harness.core.evaluation import Split
from harness.split.base import Splitter, batches, hold_out


class LeaveBatchOut(Splitter):
    """One fold per batch. InputError: fewer than two batches."""

    needs = ("batches >= 2",)

    def folds(self, wells: pd.DataFrame) -> Iterator[Split]:
        return hold_out(wells, "batch", {name: [name] for name in batches(wells)})
