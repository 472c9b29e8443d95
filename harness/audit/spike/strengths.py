"""Strengths of spikes: the yardstick's limit of detection, clear effects, and the strongest real effects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from harness.audit.shared.group_sums import group_means
from harness.audit.spike.directions import deviations
from harness.audit.spike.measurement import SpikeInExperiment
from harness.audit.spike.reader import SpikeReader
from harness.core.arrays import Doubles, Floats, Mask

MOST_SAMPLED = 400
MOST_STRONGEST = 2000
TARGET = 0.8  # AUROC of the yardstick at its limit of detection
STRONGEST = 0.98  # quantile of treated wells whose distance from controls is the strong level
STRONG = (2.0, 10.0)  # its bounds, in control sd
CLEAR = 4.0  # sd of treated wells between wells with and without a clear effect
CLEAR_SD = (0.25, 1.0)  # its bounds, in control sd of single features, root mean square


@dataclass(frozen=True)
class SpikeStrengths:
    """Effects to add, in control sd of each plate, (n_directions, n_features) each.

    Attributes
    ----------
    limit : at the yardstick's limit of detection.
    clear : so strong that wells clearly stand apart from others.
    strong : like the strongest real effects. stronger : the same, and as much more as the yardstick can just detect.
    """

    limit: Doubles
    clear: Doubles
    strong: Doubles
    stronger: Doubles


def choose_strengths(
    experiment: SpikeInExperiment, reader: SpikeReader, directions: Sequence[Doubles], *, n_each: float
) -> SpikeStrengths:
    """Choose the strengths analytically, for readers that learn a direction from ``n_each`` wells.

    A score along a learned direction, the mean of n wells in a space with p white dimensions, has the signal q = |s|^2
    and the variance q + p / n, so that AUROC = Phi(q / sqrt(2 (q + p / n))); solved for q at an AUROC of 0.8.

    Parameters
    ----------
    reader : of the yardstick's wells.
    """
    unit = np.asarray(directions)
    length = _lengths(experiment, reader, unit)[:, None]
    dimensions = _dimensions(experiment, reader)
    strong = unit * strongest_distance(experiment)
    return SpikeStrengths(
        limit=unit * _signal(dimensions / n_each) / length,
        clear=unit * np.clip(CLEAR / length, *CLEAR_SD),
        strong=strong,
        stronger=strong + unit * _signal(2 * dimensions / n_each) / length,
    )


def strongest_distance(experiment: SpikeInExperiment) -> float:
    """Return the distance of the strongest treated wells from controls in control sd, root mean square over features.

    The noise of the wells is subtracted. At least 2, so that saturation also shows on a screen without strong effects,
    and at most 10.
    """
    deviation = deviations(experiment.base)
    varies: Mask = np.asarray(np.isfinite(deviation).all(axis=0))
    controls = (experiment.base.wells["role"] == "negcon").to_numpy(dtype=bool)
    control_squares, squares = (_mean_squares(deviation, rows, varies) for rows in (controls, experiment.treated))
    top = float(np.quantile(squares, STRONGEST) - np.median(control_squares))
    return float(np.clip(np.sqrt(max(top, 0.0)), *STRONG))


def _mean_squares(deviation: Floats, rows: Mask, varies: Mask) -> Floats:
    """Return the mean square over features of at most 2,000 of the marked wells, with features cut at 10 sd."""
    index = np.flatnonzero(rows)
    sample = deviation[index[:: -(-len(index) // MOST_STRONGEST)]]
    sample[:, ~varies] = 0
    return np.asarray(np.minimum(np.square(sample), STRONG[1] ** 2).sum(axis=1) / varies.sum(), dtype=np.float32)


def _lengths(experiment: SpikeInExperiment, reader: SpikeReader, unit: Doubles) -> Doubles:
    """Return the length of each direction in the reader's space, (n_directions,): the mean over a sample of wells."""
    rows = np.flatnonzero(experiment.treated)[:: max(1, int(experiment.treated.sum()) // MOST_SAMPLED)]
    mean = [
        experiment.yardstick.displacement(rows, direction * experiment.scale[experiment.plate[rows]]).mean(axis=0)
        for direction in unit
    ]
    length = np.linalg.norm(reader.white.displacements(np.array(mean)), axis=1).astype(np.float64)
    return np.asarray(np.maximum(length, np.finfo(np.float32).tiny))


def _signal(noise: float) -> float:
    """Return the length of an effect that is detected with an AUROC of :data:`TARGET`; ``noise`` is p / n."""
    z2 = norm.ppf(TARGET) ** 2
    return float(np.sqrt(z2 + np.sqrt(z2**2 + 2 * z2 * noise)))


def _dimensions(experiment: SpikeInExperiment, reader: SpikeReader) -> float:
    """Return in how many dimensions treated wells vary with variance 1 in the reader's space: tr(S^2), from pairs."""
    rows = np.flatnonzero(experiment.treated)[:: max(1, int(experiment.treated.sum()) // MOST_SAMPLED)]
    X: Floats = experiment.yardstick.baseline[rows]
    plate = np.unique(experiment.plate[rows], return_inverse=True)[1]
    Z = reader.white.displacements(X - group_means(X, plate)[plate])
    product = np.square(Z @ Z.T, dtype=np.float64)
    other = plate[:, None] != plate
    return float(product[other].mean()) if other.any() else float(X.shape[1])
