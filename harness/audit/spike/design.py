"""Designs of spikes: the wells that carry one, as one direction in many wells or many directions in few wells each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.core.arrays import Mask
from harness.core.seeding import generator

SPARSE = 0.05
COMMON = 0.9
UNSPIKED = -1


def spike_candidates(wells: pd.DataFrame) -> Mask:
    """Mark the wells that may be spiked, (n_wells,): the treated ones."""
    return (wells["role"] == "treated").to_numpy(dtype=bool)


@dataclass(frozen=True)
class SpikeDesign:
    """The wells that an arm spikes: a share of treated wells by plate, at the same positions everywhere or not."""

    name: str
    prevalence: Mapping[str, float]
    same_positions: bool = False

    @property
    def mean_prevalence(self) -> float:
        """The share of treated wells that are spiked, the mean over plates."""
        return float(np.mean(list(self.prevalence.values())))

    def pick(self, wells: pd.DataFrame, seed: int) -> Mask:
        """Choose the wells, (n_wells,) bool; see :func:`pick_wells`."""
        return pick_wells(wells, self.prevalence, same_positions=self.same_positions, seed=seed)


def pick_wells(wells: pd.DataFrame, prevalence: Mapping[str, float], *, same_positions: bool, seed: int) -> Mask:
    """Choose the ``prevalence`` of each plate's treated wells, (n_wells,) bool; at least one if it is positive.

    The wells of a smaller share are among those of a larger one.

    Parameters
    ----------
    prevalence : share by plate, 0 to 1.
    same_positions : choose wells in one order of positions on every plate, so that the same positions are spiked.
    """
    spiked = np.zeros(len(wells), dtype=bool)
    positions = np.sort(wells["well"].unique())
    rank = pd.Series(generator(seed, "spiked positions").permutation(len(positions)), positions)
    for plate, rows in _treated_rows(wells):
        n = int(np.ceil(prevalence[plate] * len(rows)))
        if same_positions:
            order = rows[np.argsort(wells["well"].iloc[rows].map(rank).to_numpy())]
        else:
            order = generator(seed, "spiked wells", plate).permutation(rows)
        spiked[order[:n]] = True
    return spiked


def deal_wells(wells: pd.DataFrame, n_directions: int, share: float, seed: int) -> NDArray[np.intp]:
    """Deal ``share`` of each plate's treated wells to the directions, in turn: (n_wells,) codes, -1 for no spike.

    On a plate with enough wells each direction has at least one well; at most a quarter of a plate's wells are dealt.
    """
    codes = np.full(len(wells), UNSPIKED, dtype=np.intp)
    for plate, rows in _treated_rows(wells):
        n = min(max(round(share * len(rows)), n_directions), max(len(rows) // 4, 1))
        rng = generator(seed, "dealt wells", plate)
        order = rng.permutation(rows)[:n]
        codes[order] = (rng.integers(n_directions) + np.arange(len(order))) % n_directions
    return codes


def deal_plates(wells: pd.DataFrame, halves: Mask, n_directions: int, share: float, seed: int) -> NDArray[np.intp]:
    """Give one direction to ``share`` of each plate's treated wells, 3 at least: (n_wells,) codes, -1 for no spike.

    Directions change from plate to plate, in turn within each half of the plates, so that both halves have them all.

    Parameters
    ----------
    halves : (n_plates,) the plates of the first half, in order of first appearance.
    """
    codes = np.full(len(wells), UNSPIKED, dtype=np.intp)
    names = wells["plate"].astype(str).unique()
    order = [str(names[i]) for i in np.lexsort((names, halves))]
    number = {
        name: i - (len(order) - int(halves.sum())) * int(halves[names == name][0]) for i, name in enumerate(order)
    }
    for plate, rows in _treated_rows(wells):
        n = min(max(round(share * len(rows)), 3), max(len(rows) // 2, 1))
        codes[generator(seed, "dealt plates", plate).permutation(rows)[:n]] = number[plate] % n_directions
    return codes


def half_of_plates(wells: pd.DataFrame, share: float, rest: float, seed: int) -> dict[str, float]:
    """Return ``share`` for a random half of each batch's plates, ``rest`` for the others.

    The half of an odd number of plates is rounded up in every second such batch.
    """
    prevalence: dict[str, float] = {}
    plates = wells.drop_duplicates("plate")
    n_odd = 0
    for batch, names in plates.groupby("batch")["plate"]:
        order = generator(seed, "rich plates", batch).permutation(np.sort(names.to_numpy()))
        n_odd += len(order) % 2
        with_share = set(order[: len(order) // 2 + (len(order) % 2) * (n_odd % 2)])
        prevalence |= {str(p): share if p in with_share else rest for p in names}
    return prevalence


def by_batch(wells: pd.DataFrame, low: float, high: float, seed: int, *, most: int = 6) -> dict[str, float]:
    """Return shares from ``low`` to ``high`` over the batches, in random order, in at most ``most`` equal steps."""
    batches = generator(seed, "batch order").permutation(np.sort(wells["batch"].unique()))
    steps = np.linspace(low, high, min(len(batches), most))
    level = dict(zip(batches, steps[np.arange(len(batches)) * len(steps) // len(batches)], strict=True))
    return {str(p): float(level[b]) for p, b in wells.drop_duplicates("plate")[["plate", "batch"]].to_numpy()}


def same_on_all_plates(wells: pd.DataFrame, share: float) -> dict[str, float]:
    """Return the same share for every plate."""
    return dict.fromkeys(wells["plate"].astype(str).unique(), share)


def _treated_rows(wells: pd.DataFrame) -> list[tuple[str, NDArray[np.intp]]]:
    """Return the rows of the wells that may be spiked, by plate and in order of well names."""
    by_name = np.argsort(wells["well"].to_numpy(), kind="stable")
    treated = by_name[spike_candidates(wells)[by_name]]
    by_plate = pd.Series(treated).groupby(wells["plate"].to_numpy()[treated])
    return [(str(plate), rows.to_numpy()) for plate, rows in by_plate]
