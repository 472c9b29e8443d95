"""Find features that identify the plate, the batch, the compound or the place of a well on its plate."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.core.arrays import Doubles, Floats, Mask
from harness.leak_guard.sample import Wells

Codes = NDArray[np.int64]


def groupings(wells: Wells) -> dict[str, Codes]:
    """Return the groups of wells that a feature may identify, as codes (n_wells,), -1 for no group.

    A batch comes before its plates. A grouping with one group only, or without a group of two wells, is left out.
    """
    table = wells.table
    labels = {"the batch": table["batch"], "the plate": table["plate"]}
    if "compound" in table:
        labels["the compound"] = table["compound"].where(table["compound"].notna() & (table["compound"] != ""))
    labels["the well position"] = table["well"]
    codes = {what: pd.factorize(label)[0].astype(np.int64) for what, label in labels.items()}
    return {what: group for what, group in codes.items() if group.max() > 0 and np.bincount(group + 1)[1:].max() > 1}


def is_constant_within(X: Floats, groups: Codes) -> Mask:
    """Return the features that are equal in all wells of a group, in every group, and not everywhere; (n_features,)."""
    first = np.unique(groups, return_index=True)
    representative = dict(zip(first[0].tolist(), first[1].tolist(), strict=True))
    rows = np.flatnonzero(groups >= 0)
    of_group = np.array([representative[int(code)] for code in groups[rows]])
    constant: Mask = (X[rows] == X[of_group]).all(axis=0) & (X[rows] != X[rows[0]]).any(axis=0)
    return constant


def chance_bits(X: Floats, groups: Codes) -> Doubles:
    """Return -log2 of the chance that wells dealt at random are equal in every group, about; (n_features,).

    Two wells agree by chance with the sum of the squared frequencies of the values: a rare event, 0 in nearly all
    wells, is constant in most groups by chance.
    """
    rows = np.flatnonzero(groups >= 0)
    n_pairs = len(rows) - len(np.unique(groups[rows]))
    agreement = np.empty(X.shape[1])
    for i in range(X.shape[1]):
        share = np.unique(X[rows, i], return_counts=True)[1] / len(rows)
        agreement[i] = (share**2).sum()
    return np.asarray(-np.log2(agreement) * n_pairs)
