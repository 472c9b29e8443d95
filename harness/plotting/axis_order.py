"""Order of plates or features along an axis."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
from scipy.spatial.distance import squareform

from harness.batch.inference.control_profiles import plate_order

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from harness.core.arrays import Doubles

MOST_OPTIMAL = 500  # leaves: the best order of n takes time n^3 or so, 2 s at 500


def order_by_correlation(correlation: Doubles) -> NDArray[np.intp]:
    """Return an order (n,): leaves of average linkage on 1 - correlation (n, n), undefined rows last.

    Up to :data:`MOST_OPTIMAL` leaves lie next to the most similar ones that the tree allows (Bar-Joseph 2001,
    Bioinformatics 17:S22).
    """
    defined = np.flatnonzero(np.isfinite(correlation).sum(axis=1) > 1)
    if len(defined) < 3:
        return np.arange(len(correlation))
    distance = 1.0 - correlation[np.ix_(defined, defined)]
    np.fill_diagonal(distance, 0.0)
    apart = squareform(np.clip((distance + distance.T) / 2, 0.0, 2.0), checks=False)
    tree = linkage(apart, method="average")
    if len(defined) <= MOST_OPTIMAL:
        tree = optimal_leaf_ordering(tree, apart)
    undefined = np.setdiff1d(np.arange(len(correlation)), defined)
    return np.asarray(np.r_[defined[leaves_list(tree)], undefined], dtype=np.intp)


def order_by_plate(wells: pd.DataFrame) -> NDArray[np.intp]:
    """Return indices of the plates of ``wells`` sorted by id: numbers by size, text naturally."""
    place = {str(plate): i for i, plate in enumerate(wells["plate"].unique())}
    return np.array([place[plate] for plate in plate_order(wells, "plate")], dtype=np.intp)
