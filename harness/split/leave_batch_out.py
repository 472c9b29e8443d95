"""Hold out each batch in turn: train on the others, test on the batch that no model has seen."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from harness.core.evaluation import Split
from harness.split.base import Splitter, hold_out, require_batches


class LeaveBatchOut(Splitter):
    """One fold per batch. InputError: fewer than two batches."""

    needs = ("batches >= 2",)

    def folds(self, wells: pd.DataFrame) -> Iterator[Split]:
        return hold_out(wells, "batch", {name: [name] for name in require_batches(wells)})
