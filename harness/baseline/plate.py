"""Plate id only."""

from __future__ import annotations

import pandas as pd

from harness.baseline.base import Baseline, column
from harness.core.profiles import Profiles


class PlateId(Baseline):
    """A baseline by plate: it scores if the share of treated wells differs between plates seen in training."""

    def design(self, profiles: Profiles) -> pd.DataFrame:
        return pd.DataFrame({"plate": column(profiles, "plate").astype(str)})
