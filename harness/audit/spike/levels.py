"""How strong spikes must be: at the yardstick's own limit of detection, and as strong as the strongest real effects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from harness.audit.spike.detection import Reader
from harness.audit.spike.directions import deviations
from harness.audit.spike.measurement import SpikeInExperiment
from harness.core.arrays import Doubles, Floats, Mask

MOST_SAMPLED = 400
MOST_STRONGEST = 2000
TARGET = 0.8  # AUROC of the yardstick at its limit of detection
STRONGEST = 0.98  # quantile of treated wells whose distance from controls is the strong level
STRONG = (2.0, 10.0)  # its bounds, in control sd
CLEAR = 4.0  # sd of treated wells between wells with and without a clear effect
CLEAR_SD = (0.25, 1.0)  # its bounds, in control sd of single features, root mean square


@dataclass(frozen=True)
class Levels:
    """Effects to add, in control sd of each plate, (n_directions, n_features) each.

    Attributes
    ----------
    limit : at the yardstick's limit of detection.
    clear : so that wells are told from others at a glance.
    strong : like the strongest real ones. stronger : the same and as much more as the yardstick can just tell.
    """

    limit: Doubles
    clear: Doubles
    strong: Doubles
    stronger: Doubles


def levels(bench: SpikeInExperiment, reader: Reader, directions: Sequence[Doubles], *, n_each: float) -> Levels:
    """Choose amplitudes analytically, for readers that learn a direction from ``n_each`` wells.

    A score along a learned direction, the mean of n wells in a space with p white dimensions, has the signal q = |s|^2
    and the variance q + p / n, so that AUROC = Phi(q / sqrt(2 (q + p / n))); solved for q at an AUROC of 0.8.

    Parameters
    ----------
    reader : of the yardstick's wells.
    """
    unit = np.asarray(directions)
    length = _lengths(bench, reader, unit)[:, None]
    dimensions = _dimensions(bench, reader)
    strong = unit * strongest(bench)
    return Levels(
        limit=unit * _signal(dimensions / n_each) / length,
        clear=unit * np.clip(CLEAR / length, *CLEAR_SD),
        strong=strong,
        stronger=strong + unit * _signal(2 * dimensions / n_each) / length,
    )


def strongest(bench: SpikeInExperiment) -> float:
    """Return the distance of the strongest treated wells from controls in control sd, root mean square over features.

    Their own noise is taken off; at least 2, so that saturation shows on a screen without strong effects too, and at
    most 10.
    """
    deviation = deviations(bench.base)
    varies: Mask = np.asarray(np.isfinite(deviation).all(axis=0))
    controls = (bench.base.wells["role"] == "negcon").to_numpy(dtype=bool)
    control_squares, squares = (_mean_squares(deviation, rows, varies) for rows in (controls, bench.treated))
    top = float(np.quantile(squares, STRONGEST) - np.median(control_squares))
    return float(np.clip(np.sqrt(max(top, 0.0)), *STRONG))


def _mean_squares(deviation: Floats, rows: Mask, varies: Mask) -> Floats:
    """Return mean square over features of at most 2,000 of the marked wells, each feature cut at 10 sd."""
    index = np.flatnonzero(rows)
    sample = deviation[index[:: -(-len(index) // MOST_STRONGEST)]]
    sample[:, ~varies] = 0
    return np.asarray(np.minimum(np.square(sample), STRONG[1] ** 2).sum(axis=1) / varies.sum(), dtype=np.float32)


def _lengths(bench: SpikeInExperiment, reader: Reader, unit: Doubles) -> Doubles:
    """Return length of each direction in the reader's space, (n_directions,): of the mean over a sample of wells."""
    rows = np.flatnonzero(bench.treated)[:: max(1, int(bench.treated.sum()) // MOST_SAMPLED)]
    mean = [bench.yardstick.moved(rows, direction * bench.scale[bench.plate[rows]]).mean(axis=0) for direction in unit]
    length = np.linalg.norm(reader.white.displacements(np.array(mean)), axis=1).astype(np.float64)
    return np.asarray(np.maximum(length, np.finfo(np.float32).tiny))


def _signal(noise: float) -> float:
    """Return length of an effect that is found with :data:`TARGET` if the learned direction adds this variance."""
    z2 = norm.ppf(TARGET) ** 2
    return float(np.sqrt(z2 + np.sqrt(z2**2 + 2 * z2 * noise)))


def _dimensions(bench: SpikeInExperiment, reader: Reader) -> float:
    """Return how many dimensions of variance 1 the treated wells fill in the reader's space: tr(S^2), from pairs of
    wells.
    """
    rows = np.flatnonzero(bench.treated)[:: max(1, int(bench.treated.sum()) // MOST_SAMPLED)]
    X: Floats = bench.yardstick.plain[rows]
    centre = np.zeros((int(bench.plate.max()) + 1, X.shape[1]))
    count = np.bincount(bench.plate[rows], minlength=len(centre))
    np.add.at(centre, bench.plate[rows], X.astype(np.float64))
    Z = reader.white.displacements(X - centre[bench.plate[rows]] / np.maximum(count, 1)[bench.plate[rows], None])
    product = np.square(Z @ Z.T, dtype=np.float64)
    other = bench.plate[rows][:, None] != bench.plate[rows]
    return float(product[other].mean()) if other.any() else float(X.shape[1])
