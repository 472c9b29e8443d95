"""Saturation: what is left of a small step in strength on top of a strong effect."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.audit.spike.design import UNSPIKED
from harness.audit.spike.detection import Reader
from harness.audit.spike.draws import Draws
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
    """Take from two passes, (n_wells, n_features) each, what :func:`step_size` needs: the wells of a direction."""
    rows = np.flatnonzero(code != UNSPIKED)
    plate = reader.plate[rows]
    centres = reader.centres(strong, code)
    other = np.flatnonzero(reader.treated & (code == UNSPIKED))
    usual = (strong[other] - centres[reader.plate[other]]).std(axis=0, dtype=np.float64)
    return Step(strong[rows] - centres[plate], stronger[rows] - strong[rows], code[rows], plate, usual)


def step_size(reader: Reader, steps: Step, halves: Mask, draws: Draws, n: int) -> Doubles:
    """Return d' of the step under each draw, (1 + R,): mean displacement over the sd of wells with the strong effect.

    Along the direction that is best on the other half of the plates; features are taken in units of how much they vary
    among wells of the same direction, so that a method that compresses the noise with the effect loses nothing. Means
    and variances are pooled over directions: a direction alone has too few wells.

    Parameters
    ----------
    halves : (n_plates,) which plates are in the first half. n : directions.
    """
    drawn = draws.directions(n)
    result = np.zeros((2, len(drawn)))
    for way, fitted in enumerate((halves, ~halves)):
        signal, variance, total = np.zeros((3, len(drawn)))
        for k in range(n):
            train = (steps.code == k) & fitted[steps.plate]
            test = (steps.code == k) & ~fitted[steps.plate]
            if min(train.sum(), test.sum()) < FEWEST_WELLS:
                continue
            along, noise = _along(reader, steps, train, test)
            weight = draws.plates[:, steps.plate[test]] * drawn[:, [k]]
            signal += weight @ along
            variance += weight @ noise
            total += weight.sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            result[way] = np.where(signal == 0, 0.0, signal / total / np.sqrt(variance / total))
    return np.asarray(result.mean(axis=0))


def _along(reader: Reader, steps: Step, train: Mask, test: Mask) -> tuple[Floats, Floats]:
    """Displacement and squared deviation of the wells of a direction along what was learned, (n_test,) each."""
    unit = _local_sd(steps.strong[train], steps.usual)
    learned = reader.white.displacements((steps.moved[train].mean(axis=0) / unit)[None])[0]
    length = np.linalg.norm(learned)
    if length > 0:
        learned = learned / length
    noise = reader.white.displacements(steps.strong[test] / unit) @ learned
    spread = np.square(noise - noise.mean()) * len(noise) / (len(noise) - 1)
    return reader.white.displacements(steps.moved[test] / unit) @ learned, spread


def _local_sd(strong: Floats, usual: Doubles) -> Doubles:
    """Factors (n_features,) by which features vary more among wells of a direction than among all; 0.05 at least."""
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = strong.std(axis=0, ddof=1, dtype=np.float64) / usual
    return np.where(usual > 0, np.maximum(np.nan_to_num(factor), LEAST_SD) ** LOCAL_WEIGHT, 1.0)
