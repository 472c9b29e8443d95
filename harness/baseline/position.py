"""Well position only."""

from __future__ import annotations

import pandas as pd

from harness.baseline.base import Baseline, column
from harness.core.profiles import Profiles


class Position(Baseline):
    """A baseline by well, row and column: it scores if the layout gives the answer away."""

    needs = ("wells_without_position <= 0",)

    def design(self, profiles: Profiles) -> pd.DataFrame:
        return pd.DataFrame({name: column(profiles, name).astype(str) for name in ("well", "row", "column")})
