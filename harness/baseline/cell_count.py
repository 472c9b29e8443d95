"""Cell count only."""

from __future__ import annotations

import pandas as pd

from harness.baseline.base import Baseline, column
from harness.core.profiles import Profiles


class CellCount(Baseline):
    """A baseline by the number of cells relative to the median of the plate's wells: toxicity without morphology."""

    needs = ("wells_without_cell_count <= 0",)

    def design(self, profiles: Profiles) -> pd.DataFrame:
        count = column(profiles, "cell_count").astype(float)
        usual = count.groupby(profiles.wells["plate"].to_numpy()).transform("median")
        return pd.DataFrame({"count": count, "relative": count / usual.where(usual > 0, 1.0)})
