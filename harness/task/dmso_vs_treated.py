"""Task: predict whether a well is treated or a negative control."""

from __future__ import annotations

import numpy as np
import pandas as pd

from harness.core.arrays import Doubles
from harness.core.evaluation import Split
from harness.core.exceptions import InputError
from harness.core.task import Task


class DmsoVsTreated(Task):
    """Prediction of treated wells (positive) against negative controls; other wells take no part."""

    name = "dmso_vs_treated"
    groups = ("",)
    unit = "plate"

    def labels(self, wells: pd.DataFrame) -> Doubles:
        """Return 1 for treated, 0 for negative control, NaN for no part; (n_rows,)."""
        return np.asarray(wells["role"].map({"treated": 1.0, "negcon": 0.0}), dtype=np.float64)

    def check(self, wells: pd.DataFrame, split: Split) -> None:
        """Refuse a fold without both classes on both sides, before anything is trained.

        Raises
        ------
        InputError : names the fold, the side and the class that is missing.
        """
        y = self.labels(wells)
        for side, mask in (("held-out", split.test), ("training", split.train)):
            for value, role in ((0.0, "negative controls"), (1.0, "treated wells")):
                if not (y[mask] == value).any():
                    raise InputError(
                        f"split: fold {split.name!r} has no {role} among its {side} wells; both classes are needed: "
                        "leave out its plates (data.exclude_plates), merge batches, or choose another split"
                    )
