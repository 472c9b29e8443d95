"""Length of the normalized profile only."""

from __future__ import annotations

import numpy as np
import pandas as pd

from harness.baseline.base import Baseline
from harness.core.profiles import Profiles


class RowNorm(Baseline):
    """A baseline by the logarithm of the Euclidean norm of the profile over features.

    Where it scores as well as a model on wells with nothing in them, the normalization has put controls closer to its
    own reference than other wells.
    """

    reads_plates = True

    def design(self, profiles: Profiles) -> pd.DataFrame:
        norm = np.sqrt(np.concatenate([np.einsum("ij,ij->i", p.X, p.X, dtype=np.float64) for p in profiles]))
        return pd.DataFrame({"log_norm": np.log(np.maximum(norm, np.finfo(np.float64).tiny))})
