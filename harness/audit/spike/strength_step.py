"""Saturation: the size of a small step in strength on top of a strong effect."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.audit.spike.design import UNSPIKED
from harness.audit.spike.plate_resamples import PlateResamples
from harness.audit.spike.reader import SpikeReader
from harness.core.arrays import Doubles, Floats, Mask
from harness.core.seeding import generator

LOCAL_WEIGHT = 0.8  # of the local sd, on the log scale, against that of all treated wells
LEAST_SD = 0.05
FEWEST_WELLS = 3


@dataclass(frozen=True, eq=False)
class StrengthStep:
    """Wells with a strong effect, and how far some of them move if it becomes a little stronger.

    All wells of a plate have the same direction; only every fourth takes the step, so that it changes the plate little.

    Attributes
    ----------
    strong : (n, n_features) minus the mean of such wells of the plate, scaled up by what that takes from the variance.
    displacement : (m, n_features) of the wells that take the step. rows : (m,) these wells among the n.
    code, plate : (n,) direction and plate. usual : (n_features,) sd of treated wells within plates.
    """

    strong: Floats
    displacement: Floats
    rows: NDArray[np.intp]
    code: NDArray[np.intp]
    plate: NDArray[np.intp]
    usual: Doubles


def code_with_step(wells: pd.DataFrame, code: NDArray[np.intp], n: int, seed: int) -> NDArray[np.intp]:
    """Return ``code``, plus ``n`` for every fourth of the spiked wells of each plate, one at least."""
    out = code.copy()
    for plate, rows in wells[code != UNSPIKED].groupby("plate").groups.items():
        order = rows.to_numpy()[np.argsort(wells["well"].loc[rows].to_numpy(), kind="stable")]
        stepping_rows = generator(seed, "stepping wells", plate).permutation(order)[: max(1, len(order) // 4)]
        out[stepping_rows] += n
    return out


def take_step(
    reader: SpikeReader, strong: Floats, stronger: Floats, code: NDArray[np.intp], stepped: Mask
) -> StrengthStep:
    """Return the step between two passes, (n_wells, n_features) each, as :func:`step_size` reads it."""
    rows = np.flatnonzero(code != UNSPIKED)
    plate = reader.plate[rows]
    deviation = np.zeros((len(rows), strong.shape[1]), dtype=np.float32)
    for number in np.unique(plate):
        on_plate = plate == number
        values = strong[rows[on_plate]].astype(np.float64)
        deviation[on_plate] = (values - values.mean(axis=0)) * np.sqrt(on_plate.sum() / max(on_plate.sum() - 1, 1))
    other = np.flatnonzero(reader.treated & (code == UNSPIKED))
    usual = (strong[other] - reader.centres(strong, code)[reader.plate[other]]).std(axis=0, dtype=np.float64)
    moving = np.flatnonzero(stepped[rows])
    return StrengthStep(deviation, stronger[rows[moving]] - strong[rows[moving]], moving, code[rows], plate, usual)


def step_size(reader: SpikeReader, steps: StrengthStep, halves: Mask, resamples: PlateResamples, n: int) -> Doubles:
    """Return d' of the step under each resample, (1 + R,): mean displacement over the sd of wells with strong effects.

    Measured within plates, along the direction that is best on the other half of the plates. Features are in units of
    how much they vary among wells of the same direction, so that a method that compresses the noise with the effect
    loses nothing. Means and variances are pooled over directions: a single direction has too few wells.

    Parameters
    ----------
    halves : (n_plates,) the plates of the first half. n : directions.
    """
    result = np.zeros((2, len(resamples.plates)))
    for way, fitted in enumerate((halves, ~halves)):
        signal, n_signal, variance, n_noise = np.zeros((4, len(resamples.plates)))
        for k in range(n):
            train = (steps.code == k) & fitted[steps.plate]
            test = (steps.code == k) & ~fitted[steps.plate]
            learning, measured = train[steps.rows], test[steps.rows]
            if min(train.sum(), test.sum()) < FEWEST_WELLS or not learning.any() or not measured.any():
                continue
            unit = _local_sd(steps.strong[train], steps.usual)
            direction = _learn_direction(reader, steps.displacement[learning], unit)
            weight = resamples.plates[:, steps.plate[steps.rows[measured]]]
            signal += weight @ (reader.white.displacements(steps.displacement[measured] / unit) @ direction)
            n_signal += weight.sum(axis=1)
            weight = resamples.plates[:, steps.plate[test]]
            variance += weight @ np.square(reader.white.displacements(steps.strong[test] / unit) @ direction)
            n_noise += weight.sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            result[way] = np.where(signal == 0, 0.0, signal / n_signal / np.sqrt(variance / n_noise))
    return np.asarray(result.mean(axis=0))


def _learn_direction(reader: SpikeReader, displacement: Floats, unit: Doubles) -> Floats:
    """Return the direction of the mean displacement in the reader's space, of length 1, (n_features,)."""
    direction = reader.white.displacements((displacement.mean(axis=0) / unit)[None])[0]
    length = np.linalg.norm(direction)
    return np.asarray(direction / length if length > 0 else direction, dtype=np.float32)


def _local_sd(strong: Floats, usual: Doubles) -> Doubles:
    """Return by which factor features vary more among wells of a direction than among all, (n_features,), >= 0.05."""
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = np.sqrt(np.square(strong, dtype=np.float64).mean(axis=0)) / usual
    return np.where(usual > 0, np.maximum(np.nan_to_num(factor), LEAST_SD) ** LOCAL_WEIGHT, 1.0)
