"""Class frequencies only."""

from __future__ import annotations

import numpy as np
import pandas as pd

from harness.baseline.base import Baseline
from harness.core.profiles import Profiles


class Prior(Baseline):
    """A baseline by the training set's class frequencies alone: the level of chance of every metric."""

    def design(self, profiles: Profiles) -> pd.DataFrame:
        return pd.DataFrame({"nothing": np.zeros(len(profiles.wells))})
