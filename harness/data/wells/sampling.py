"""Sample wells to draw if there are too many."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from numpy.typing import NDArray


def sample(wells: pd.DataFrame, *, max_points: int, seed: int) -> NDArray[np.intp]:
    """Return row positions (ascending) of at most ``max_points`` control and treated wells, the same for the same seed.

    All controls while they are at most half of ``max_points`` or leave no treated well out, else a sample of them;
    the rest are treated wells. Samples are spread evenly over plates.
    """
    rng = np.random.default_rng(seed)
    role = wells["role"].to_numpy()
    controls, treated = np.flatnonzero(role == "negcon"), np.flatnonzero(role == "treated")
    n_controls = min(len(controls), max(max_points // 2, max_points - len(treated)))
    plate = pd.factorize(wells["plate"])[0]
    rows = [
        _spread(controls, plate[controls], n_controls, rng),
        _spread(treated, plate[treated], max_points - n_controls, rng),
    ]
    return np.sort(np.concatenate(rows))


def _spread(rows: NDArray[np.intp], plate: NDArray[np.intp], n: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Sample ``n`` of ``rows``, as evenly over plates as their numbers of wells allow."""
    order = rng.permutation(len(rows))
    turn = pd.Series(plate[order]).groupby(plate[order]).cumcount().to_numpy()
    return rows[order[np.argsort(turn, kind="stable")[:n]]]
