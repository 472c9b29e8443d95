"""Displacements of spiked and unspiked wells, summed over each plate: all that the size of an effect needs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.audit.spike.design import UNSPIKED
from harness.core.arrays import Doubles, Floats


@dataclass(frozen=True)
class DisplacementSums:
    """Displacements of wells by spikes, summed by plate and direction, and the noise to compare them with.

    Attributes
    ----------
    spiked : (n_plates, n_directions, n_features) sums over the spiked wells; ``n_spiked`` their number.
    other : (n_plates, n_features) sums over the unspiked wells; ``n_other`` their number.
    noise : (n, n_features) differences of unspiked wells from wells of the same treatment; ``noise_plate`` (n,).
    """

    spiked: Floats
    n_spiked: Doubles
    other: Floats
    n_other: Doubles
    noise: Floats
    noise_plate: NDArray[np.intp]


def sum_displacements(
    before: Floats,
    after: Floats,
    code: NDArray[np.intp],
    n_directions: int,
    wells: pd.DataFrame,
    noise: tuple[Floats, NDArray[np.intp]],
) -> DisplacementSums:
    """Sum ``after`` minus ``before`` over the wells of each plate; empty wells do not count.

    Parameters
    ----------
    before, after : (n_wells, n_features) profiles without and with the spikes. code : (n_wells,) direction of the
        spike, -1 for none. noise : differences of unspiked wells from wells of the same treatment, and their plates.
    """
    plate, names = pd.factorize(wells["plate"])
    counted = (wells["role"] != "empty").to_numpy(dtype=bool)
    n_plates, n_features = len(names), before.shape[1]
    spiked = np.zeros((n_plates, n_directions, n_features), dtype=np.float32)
    other = np.zeros((n_plates, n_features), dtype=np.float32)
    n_spiked, n_other = np.zeros((n_plates, n_directions)), np.zeros(n_plates)
    for number in range(n_plates):
        rows = np.flatnonzero(counted & (plate == number))
        difference = after[rows] - before[rows]
        codes = code[rows]
        member = (codes[:, None] == np.arange(n_directions)).astype(np.float32)
        unspiked = (codes == UNSPIKED).astype(np.float32)
        spiked[number], other[number] = member.T @ difference, unspiked @ difference
        n_spiked[number], n_other[number] = member.sum(axis=0), unspiked.sum()
    return DisplacementSums(spiked, n_spiked, other, n_other, *noise)
