"""Size of an effect as d': the distance between spiked and unspiked wells along the best direction, in noise sd."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

from harness.audit.shared.whitening import fit_whitening
from harness.audit.spike.displacements import DisplacementSums
from harness.audit.spike.plate_resamples import SAME_LEVEL
from harness.core.arrays import Doubles, Mask


@dataclass(frozen=True)
class EffectSizes:
    """Effect sizes d' of the directions under each weighting of plates, (n_weightings, n_directions) each.

    Attributes
    ----------
    contrast : spiked against all unspiked wells.
    retention, spillover : the displacement of the spiked wells, and of the other wells on plates with spikes, along the
        same direction.
    """

    contrast: Doubles
    retention: Doubles
    spillover: Doubles


def effect_sizes(displacements: DisplacementSums, halves: Mask, weights: Doubles) -> EffectSizes:
    """Return the d' of all directions, each learned on one half of the plates and measured on the other.

    With c the difference of the mean displacements of spiked and unspiked wells and S the covariance of the noise, d' =
    w'c_B / sqrt(w'S_B w) with w = S_A^-1 c_A, the mean over both ways round. c and S of disjoint plates share no noise,
    so that neither the noise in c nor the fit of S makes d' larger: it is what a reader can achieve on other plates.

    Parameters
    ----------
    halves : (n_plates,) the plates of the first half. weights : (R, n_plates) multiplicities of plates.
    """
    n_directions = displacements.spiked.shape[1]
    results = np.full((3, 2, len(weights), n_directions), np.nan)
    for way, fitted in enumerate((halves, ~halves)):
        rows = fitted[displacements.noise_plate]
        table = pd.DataFrame({"plate": np.zeros(int(rows.sum()), dtype=np.intp)})
        white = fit_whitening(displacements.noise[rows], table, np.ones(len(table), dtype=bool))
        other = white.displacements(displacements.other)
        noise = white.displacements(displacements.noise[~rows])
        weight = weights[:, displacements.noise_plate[~rows]]
        n_noise = weight.sum(axis=1)
        for k in range(n_directions):
            stacks = np.concatenate([white.displacements(displacements.spiked[:, k]), other])
            direction = _coefficients(displacements, k, np.ones((1, len(halves))), fitted)[0] @ stacks
            along = np.square(noise @ direction[0], dtype=np.float64)
            towards = stacks @ direction[0]
            with np.errstate(invalid="ignore", divide="ignore"):
                sd = np.sqrt(weight @ along / n_noise)
                for i, measured in enumerate(_coefficients(displacements, k, weights, ~fitted)):
                    signal = measured @ towards
                    results[i, way, :, k] = np.where(signal == 0, 0.0, signal / sd)
    results[~np.isfinite(results)] = np.nan
    contrast, retention, spillover = results.mean(axis=1)
    return EffectSizes(contrast, retention, spillover)


def mean_effect_sizes(several: Sequence[EffectSizes]) -> EffectSizes:
    """Return the mean of the sizes over passes."""
    return EffectSizes(*(np.mean([getattr(s, f.name) for s in several], axis=0) for f in fields(EffectSizes)))


def _coefficients(
    displacements: DisplacementSums, k: int, weights: Doubles, plates: Mask
) -> tuple[Doubles, Doubles, Doubles]:
    """Return the coefficients of plate sums of spiked and other wells in contrast, retention and spillover.

    (R, 2 n_plates) each: first the sums of spiked wells, then those of other wells.
    """
    weight = weights * plates
    touched = weight * (displacements.n_spiked[:, k] > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        spiked = weight / (weight @ displacements.n_spiked[:, k])[:, None]
        other = weight / (weight @ displacements.n_other)[:, None]
        near = touched / (touched @ displacements.n_other)[:, None]
    nothing = np.zeros_like(weight)
    return np.hstack([spiked, -other]), np.hstack([spiked, nothing]), np.hstack([nothing, near])


def halves_of_plates(wells: pd.DataFrame, prevalence: Doubles, rng: np.random.Generator) -> Mask:
    """Deal plates to two halves in turn, ordered by prevalence and batch, at random among equals, (n_plates,).

    Parameters
    ----------
    wells : plates are numbered in order of first appearance. prevalence : (n_plates,).
    """
    plates = wells.drop_duplicates("plate").reset_index(drop=True)
    by_name = np.argsort(plates["plate"].astype(str).to_numpy(), kind="stable")
    draw = np.empty(len(plates))
    draw[by_name] = rng.random(len(plates))
    order = np.lexsort((draw, plates["batch"].astype(str).to_numpy(), np.round(prevalence / SAME_LEVEL)))
    halves = np.zeros(len(plates), dtype=bool)
    halves[order[::2]] = True
    return halves
