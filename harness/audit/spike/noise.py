"""Noise of treated wells: how wells vary that hold the same treatment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array

from harness.audit.spike.design import UNSPIKED, spike_candidates
from harness.core.arrays import Floats, Mask
from harness.core.exceptions import NotApplicable
from harness.core.seeding import generator

MOST_WELLS = 1500
FEWEST_RESIDUALS = 10
N_ROUNDS = 4


@dataclass(frozen=True, eq=False)
class NoiseWells:
    """Treated wells whose differences from their replicates and their plate are noise; arrays of n rows.

    Controls are not among them: some methods read these, and fit them better than any other well.

    Attributes
    ----------
    rows : numbers of the wells in the screen. plate, group : numbers; wells of a group have the same compound and
        dose. With compounds unnamed or never repeated ``group`` is empty, and effects of compounds count as noise.
    """

    rows: NDArray[np.intp]
    plate: NDArray[np.intp]
    group: NDArray[np.intp]

    @property
    def has_replicates(self) -> bool:
        """Whether effects of compounds are subtracted."""
        return len(self.group) > 0

    def residuals(self, X: Floats, code: NDArray[np.intp]) -> tuple[Floats, NDArray[np.intp]]:
        """Return unspiked wells minus the effects of their plate and compound, (m, n_features), and their plates.

        They are scaled up by what the fit of these effects took from their variance. If too few wells are unspiked,
        spiked wells are used too: wells with the same spike on the same plate also differ by noise.

        Raises
        ------
        NotApplicable : fewer than 10 degrees of freedom are left.
        """
        spike = code[self.rows]
        unspiked = spike == UNSPIKED
        try:
            return self._residuals(X, unspiked, spike)
        except NotApplicable:
            if unspiked.all():
                raise
            return self._residuals(X, np.ones(len(spike), dtype=bool), spike)

    def _residuals(self, X: Floats, usable: Mask, spike: NDArray[np.intp]) -> tuple[Floats, NDArray[np.intp]]:
        """Return residuals of the ``usable`` rows; wells of a plate or compound with different spikes are set apart."""
        usable = usable.copy()
        number = spike - spike.min(initial=0)
        plate = (self.plate * (number.max(initial=0) + 1) + number)[usable]
        group = np.zeros(0, dtype=np.intp)
        if self.has_replicates:
            group = np.unique(self.group * (number.max(initial=0) + 1) + number, return_inverse=True)[1][usable]
            usable[usable] = repeated = np.bincount(group)[group] > 1
            plate, group = plate[repeated], group[repeated]
        factors = [_means(plate)] + ([_means(group)] if len(group) else [])
        freedom = len(plate) - sum(rank for _, _, rank in factors) + len(factors) - 1
        if freedom < FEWEST_RESIDUALS:
            raise NotApplicable(f"{len(plate)} treated wells are too few to see how they vary", code="few_wells")
        residual = X[self.rows[usable]].astype(np.float64)
        for _ in range(N_ROUNDS if len(factors) > 1 else 1):
            for average, spread, _ in factors:
                residual -= spread @ (average @ residual)
        residual *= np.sqrt(len(plate) / freedom)
        return residual.astype(np.float32), self.plate[usable]


def noise_wells(wells: pd.DataFrame, plate: NDArray[np.intp], seed: int) -> NoiseWells:
    """Choose at most 1,500 treated wells: whole groups of replicates in random order, if there are any.

    Parameters
    ----------
    plate : (n_wells,) number of the plate.
    """
    rows = np.flatnonzero(spike_candidates(wells))
    table = wells.iloc[rows]
    names = (table["plate"].astype(str) + "\x1f" + table["well"].astype(str)).to_numpy()
    rows, table = rows[np.argsort(names)], table.iloc[np.argsort(names)]
    group = _groups(table)
    of_repeated = group >= 0
    if of_repeated.mean() < 1 / 2 or np.bincount(group[of_repeated]).max(initial=0) < 2:
        order = generator(seed, "noise wells").permutation(len(rows))[:MOST_WELLS]
        return NoiseWells(rows[order], plate[rows[order]], np.zeros(0, dtype=np.intp))
    rows, group = rows[of_repeated], group[of_repeated]
    place = generator(seed, "noise groups").permutation(int(group.max()) + 1)[group]
    order = np.argsort(place, kind="stable")[:MOST_WELLS]
    return NoiseWells(rows[order], plate[rows[order]], np.unique(group[order], return_inverse=True)[1])


def _groups(table: pd.DataFrame) -> NDArray[np.intp]:
    """Return the number of each row's compound and dose; -1 without a name or without a replicate."""
    if "compound" not in table:
        return np.full(len(table), -1, dtype=np.intp)
    named = table["compound"].notna() & (table["compound"] != "")
    label = table["compound"].astype(str) + ("\x1f" + table["dose"].astype(str) if "dose" in table else "")
    codes = pd.factorize(label.where(named), sort=True)[0]
    count = np.bincount(codes[codes >= 0], minlength=int(codes.max(initial=-1)) + 1)
    unreplicated = (codes >= 0) & (count[np.maximum(codes, 0)] < 2) if len(count) else np.zeros(len(codes), dtype=bool)
    return np.where(unreplicated, -1, codes).astype(np.intp)


def _means(code: NDArray[np.intp]) -> tuple[coo_array, coo_array, int]:
    """Return a matrix that averages rows by code, one that hands averages back to rows, and the number of codes."""
    names, number = np.unique(code, return_inverse=True)
    shape = (len(names), len(code))
    weight = 1.0 / np.bincount(number)[number]
    average = coo_array((weight, (number, np.arange(len(code)))), shape).tocsr()
    spread = coo_array((np.ones(len(code)), (np.arange(len(code)), number)), shape[::-1]).tocsr()
    return average, spread, len(names)
