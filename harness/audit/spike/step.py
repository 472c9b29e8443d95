"""Saturation: what is left of a small step in strength on top of a strong effect."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.audit.spike.design import UNSPIKED
from harness.audit.spike.detection import Reader
from harness.types import Doubles, Floats, Mask

LOCAL_WEIGHT = 0.8  # of the local sd, on the log scale, against that of all treated wells
LEAST_SD = 0.05
FEWEST_WELLS = 3


@dataclass(frozen=True, eq=False)
class Step:
    """Wells with a strong effect, and how far they move as it becomes a little stronger.

    Attributes
    ----------
    strong : (n, n_features) centred by plate. moved : (n, n_features). code, plate : (n,) direction and plate.
    usual : (n_features,) sd of treated wells within plates.
    """

    strong: Floats
    moved: Floats
    code: NDArray[np.intp]
    plate: NDArray[np.intp]
    usual: Doubles


def step(reader: Reader, strong: Floats, stronger: Floats, code: NDArray[np.intp]) -> Step:
    """Take from two passes, (n_wells, n_features) each, what :func:`step_sizes` needs: the wells of a direction."""
    rows = np.flatnonzero(code != UNSPIKED)
    plate = reader.plate[rows]
    centres = reader.centres(strong, code)
    other = np.flatnonzero(reader.treated & (code == UNSPIKED))
    usual = (strong[other] - centres[reader.plate[other]]).std(axis=0, dtype=np.float64)
    return Step(strong[rows] - centres[plate], stronger[rows] - strong[rows], code[rows], plate, usual)


def step_sizes(reader: Reader, steps: Step, halves: Mask, weights: Doubles, n: int) -> Doubles:
    """Return d' of the step by direction, (R, n): mean displacement over the sd of the wells with the strong effect.

    Along the direction that is best on the other half of the plates; features are taken in units of how much they vary
    among wells of the same direction, so that a method that compresses the noise with the effect loses nothing.

    Parameters
    ----------
    halves : (n_plates,) which plates are in the first half. weights : (R, n_plates) multiplicities of plates.
    """
    result = np.full((2, len(weights), n), np.nan)
    for way, fitted in enumerate((halves, ~halves)):
        for k in range(n):
            train = (steps.code == k) & fitted[steps.plate]
            test = (steps.code == k) & ~fitted[steps.plate]
            if min(train.sum(), test.sum()) < FEWEST_WELLS:
                continue
            unit = _local_sd(steps.strong[train], steps.usual)
            learned = reader.white.displacements((steps.moved[train].mean(axis=0) / unit)[None])[0]
            signal = reader.white.displacements(steps.moved[test] / unit) @ learned
            noise = reader.white.displacements(steps.strong[test] / unit) @ learned
            result[way, :, k] = _size(signal, noise, weights[:, steps.plate[test]])
    return np.asarray(result.mean(axis=0))


def _size(signal: Floats, noise: Floats, weight: Doubles) -> Doubles:
    """Weighted mean of ``signal`` over the weighted sd of ``noise``, (R,); 0 if nothing moves."""
    if not signal.any():
        return np.zeros(len(weight))
    total = weight.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean, centre = weight @ signal / total, weight @ noise / total
        variance = weight @ np.square(noise, dtype=np.float64) / total - centre**2
        return np.asarray(np.where(variance > 0, mean / np.sqrt(variance), np.nan))


def _local_sd(strong: Floats, usual: Doubles) -> Doubles:
    """Factors (n_features,) by which features vary more among wells of a direction than among all; 0.05 at least."""
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = strong.std(axis=0, ddof=1, dtype=np.float64) / usual
    return np.where(usual > 0, np.maximum(np.nan_to_num(factor), LEAST_SD) ** LOCAL_WEIGHT, 1.0)
