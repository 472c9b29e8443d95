"""Readers of spikes: models that tell wells with a known effect from other wells, and from wells with another effect.

Readers compare wells within plates (each plate is centred at its unspiked treated wells) on plates that they have not
seen: they find what a normalization kept within plates, whether or not it removed differences between plates.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.audit.shared.well_choice import choose_per_plate
from harness.audit.shared.whitening import Whitening, fit_whitening
from harness.audit.spike.design import UNSPIKED
from harness.core.arrays import Doubles, Floats, Mask
from harness.core.seeding import generator
from harness.scoring.bootstrap import FEWEST_BATCHES

MOST_FITTED = 800  # wells that the space of the readers is fitted on
MOST_COMPARED = 3000  # unspiked wells that spiked ones are compared with
N_FOLDS = 5


@dataclass(frozen=True)
class WellScoreSums:
    """Sums of a score over spiked wells, and the number of wells, by direction and plate: (n_directions, n_plates)."""

    total: Doubles
    count: Doubles


@dataclass(frozen=True)
class SpikeReader:
    """Score spiked wells on held-out plates, in a space in which treated wells vary alike in all directions.

    Attributes
    ----------
    white : the map to that space. plate : (n_wells,) numbers. folds : (n_plates,) the fold that holds a plate out.
    treated : (n_wells,) wells that may be spiked. compared : (n_wells,) wells that spiked ones are compared with.
    """

    white: Whitening
    plate: NDArray[np.intp]
    folds: NDArray[np.intp]
    treated: Mask
    compared: Mask

    def read(self, X: Floats, code: NDArray[np.intp], n: int) -> tuple[WellScoreSums, WellScoreSums]:
        """Score spiked wells of ``n`` directions against unspiked wells, and against wells of other directions.

        Parameters
        ----------
        X : (n_wells, n_features). code : (n_wells,) direction of the spike, -1 for none.
        """
        space = self._space(X, code)
        return self._told_from_unspiked(*space, n), self._told_apart(*space, n)

    def _told_from_unspiked(self, Z: Floats, plate: NDArray[np.intp], codes: NDArray[np.intp], n: int) -> WellScoreSums:
        """Score each spiked well by the share of its plate's unspiked wells that lie less far along its direction.

        The mean over wells is an AUROC. The direction is the mean of its wells on training plates minus that of
        unspiked wells (the linear discriminant, as this space is white).
        """
        score = np.full(len(Z), np.nan)
        for test, means in self._folds(Z, plate, codes, n):
            along = Z @ means.T.astype(np.float32)
            for number in np.unique(plate[test & (codes != UNSPIKED)]):
                rows = plate == number
                unspiked = along[rows & (codes == UNSPIKED)]
                for i in np.flatnonzero(rows & (codes != UNSPIKED)):
                    score[i] = _beaten(along[i, codes[i]], unspiked[:, codes[i]])
        return self._by_plate(score, plate, codes, n)

    def _told_apart(self, Z: Floats, plate: NDArray[np.intp], codes: NDArray[np.intp], n: int) -> WellScoreSums:
        """Score each spiked well by how often it is told from wells of other directions, an AUROC over pairs.

        Two directions are told apart along the difference of their means on training plates.
        """
        score = np.full(len(Z), np.nan)
        for test, means in self._folds(Z, plate, codes, n):
            rows = np.flatnonzero(test & (codes != UNSPIKED))
            along, direction = Z[rows] @ means.T, codes[rows]
            lead = (
                along[np.arange(len(rows)), direction][:, None] - along
            )  # of the own direction over each other direction
            lead_of_other = (
                along[:, direction].T - along[np.arange(len(rows)), direction]
            )  # of i's direction over j's own, at well j
            lead_of_own = lead[:, direction]
            better = (lead_of_own > lead_of_other) + (lead_of_own == lead_of_other) / 2
            is_other = direction[:, None] != direction
            n_compared = is_other.sum(axis=1)
            score[rows[n_compared > 0]] = ((better * is_other).sum(axis=1) / np.maximum(n_compared, 1))[n_compared > 0]
        return self._by_plate(score, plate, codes, n)

    def _space(self, X: Floats, code: NDArray[np.intp]) -> tuple[Floats, NDArray[np.intp], NDArray[np.intp]]:
        """Return the spiked and compared wells, centred by plate and whitened, their plates and their codes."""
        rows = np.flatnonzero(self.compared | (code != UNSPIKED))
        Z = self.white.displacements(X[rows] - self.centres(X, code)[self.plate[rows]])
        return Z, self.plate[rows], code[rows]

    def centres(self, X: Floats, code: NDArray[np.intp]) -> Floats:
        """Return the mean of the unspiked treated wells of each plate, (n_plates, n_features); 0 if there are none."""
        out = np.zeros((len(self.folds), X.shape[1]), dtype=np.float32)
        usable = self.treated & (code == UNSPIKED)
        for number in range(len(out)):
            rows = np.flatnonzero(usable & (self.plate == number))
            if len(rows):
                out[number] = X[rows].mean(axis=0, dtype=np.float64)
        return out

    def _folds(
        self, Z: Floats, plate: NDArray[np.intp], codes: NDArray[np.intp], n: int
    ) -> Iterator[tuple[Mask, Floats]]:
        """Yield for each fold the held-out rows and the means of the directions over the others, (n, n_features)."""
        for fold in range(int(self.folds.max()) + 1):
            test = self.folds[plate] == fold
            in_training = (~test)[:, None] & (codes[:, None] == np.arange(n))
            count = in_training.sum(axis=0)
            if (count > 0).all() and test.any():
                yield test, np.asarray(in_training.T.astype(np.float32) @ Z / count[:, None], dtype=np.float32)

    def _by_plate(self, score: Doubles, plate: NDArray[np.intp], codes: NDArray[np.intp], n: int) -> WellScoreSums:
        """Sum the defined scores by direction and plate."""
        defined = ~np.isnan(score)
        total, count = np.zeros((n, len(self.folds))), np.zeros((n, len(self.folds)))
        np.add.at(total, (codes[defined], plate[defined]), score[defined])
        np.add.at(count, (codes[defined], plate[defined]), 1.0)
        return WellScoreSums(total, count)


def fit_reader(X: Floats, wells: pd.DataFrame, treated: Mask, seed: int, *, spiked: Mask | None = None) -> SpikeReader:
    """Fit the space of a reader on treated wells without spikes, at most 800, evenly over plates.

    Raises
    ------
    NotApplicable : no feature varies.
    """
    plate = np.asarray(pd.factorize(wells["plate"])[0], dtype=np.intp)
    fitted = treated if spiked is None else treated & ~spiked
    white = fit_whitening(X, wells, _evenly(wells, fitted, MOST_FITTED, seed))
    compared = _evenly(wells, treated, MOST_COMPARED, seed)
    return SpikeReader(white, plate, plate_folds(wells, seed), treated, compared)


def plate_folds(wells: pd.DataFrame, seed: int) -> NDArray[np.intp]:
    """Return the fold of each plate in order of first appearance, (n_plates,): its batch.

    With fewer than 4 batches plates are dealt to at most 5 folds instead, in turn within batches.
    """
    plates = wells.drop_duplicates("plate").reset_index(drop=True)
    batch = pd.factorize(plates["batch"])[0]
    if batch.max() + 1 >= FEWEST_BATCHES:
        return np.asarray(batch, dtype=np.intp)
    names = plates["plate"].astype(str).to_numpy()
    draw = np.empty(len(plates))
    draw[np.argsort(names, kind="stable")] = generator(seed, "held-out plates").random(len(plates))
    order = np.lexsort((draw, plates["batch"].astype(str).to_numpy()))
    folds = np.empty(len(plates), dtype=np.intp)
    folds[order] = np.arange(len(plates)) % min(N_FOLDS, len(plates))
    return folds


def _evenly(wells: pd.DataFrame, treated: Mask, most: int, seed: int) -> Mask:
    """Mark at most about ``most`` of the treated wells, equally many on every plate."""
    if treated.sum() <= most:
        return treated
    marked = np.zeros(len(wells), dtype=bool)
    marked[choose_per_plate(wells, treated, wells["plate"][treated].unique().tolist(), most, seed, "fitted wells")] = (
        True
    )
    return marked


def _beaten(score: float, others: Floats) -> float:
    """Return the share of ``others`` below ``score``; ties count half."""
    return float(np.mean(others < score) + np.mean(others == score) / 2) if len(others) else float("nan")
