"""Sample of control wells that the whitened space is fitted on."""

from __future__ import annotations

import numpy as np
import pandas as pd

from harness.core.arrays import Mask
from harness.core.seeding import generator

MOST_CONTROLS = 1_000  # more do not change the space, and cost the cube
FEWEST_OF_PLATE = 4


def sample_controls(wells: pd.DataFrame, seed: int) -> Mask:
    """Choose about 1,000 control wells at most, equally many from each plate, (n_wells,)."""
    controls = wells[wells["role"] == "negcon"].sort_values(["plate", "well"])
    order = generator(seed, "controls of the whitened space").permutation(len(controls))
    place = controls.iloc[order].groupby("plate").cumcount()
    most = max(FEWEST_OF_PLATE, MOST_CONTROLS // max(1, controls["plate"].nunique()))
    mask = np.zeros(len(wells), dtype=bool)
    mask[wells.index.get_indexer(place.index[place < most])] = True
    return mask
