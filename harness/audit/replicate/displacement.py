"""Profiles of treated wells as displacements from the controls of their plate, in whitened units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.audit.replicate.controls import sample_controls
from harness.audit.replicate.position_effects import remove_position_effects
from harness.audit.replicate.selection import Ints, ReplicateWells
from harness.audit.shared.group_sums import group_means
from harness.audit.shared.whitening import fit_whitening
from harness.core.arrays import Doubles, Floats
from harness.core.exceptions import NotApplicable
from harness.core.profiles import Profiles
from harness.core.seeding import generator

FEWEST_CONTROLS = 2


@dataclass(frozen=True)
class Displacements:
    """Whitened displacements of treated wells from the controls of their plate.

    Attributes
    ----------
    treated : (n, p) of the selected wells, 0 at the controls.
    controls : (m, p) of controls, minus the mean of their plate; ``plate`` (m,) numbered as for the treated wells.
    apart : share of the differences between plates in the mean of their treated wells that is more than noise, 0 to 1.
    """

    treated: Floats
    controls: Floats
    plate: Ints
    n_plates: int
    real_share: float
    seed: int

    def origin_errors(self, draw: int) -> Doubles:
        """Draw by how much the mean of each plate's controls may miss their true mean, (n_plates, p)."""
        errors = np.zeros((self.n_plates, self.controls.shape[1]))
        for plate in range(self.n_plates):
            rows = np.flatnonzero(self.plate == plate)
            if len(rows) > 1:
                again = generator(self.seed, "origin", draw, plate).choice(rows, len(rows))
                errors[plate] = self.controls[again].mean(axis=0) * np.sqrt(len(rows) / (len(rows) - 1))
        return np.asarray(self.real_share * errors + (1 - self.real_share) * errors.mean(axis=0))


def displacements(profiles: Profiles, selected: ReplicateWells, seed: int) -> Displacements:
    """Subtract the mean of each plate's controls, divide by their sd over the batch, whiten, and remove positions.

    The mean of few controls is noisy, and its error is common to all wells of a plate. So the means of the plates'
    treated wells are shrunk towards each other as far as such errors explain their differences (James-Stein): entirely
    if plates are alike, not at all if half of them are full of active wells.

    Raises
    ------
    NotApplicable : too few controls to see how they vary (``few_controls``), or nothing varies (``nothing_varies``).
    """
    wells = profiles.wells
    _check_controls(wells, wells["plate"].iloc[selected.rows].unique())
    control = sample_controls(wells, seed)
    rows = np.concatenate([selected.rows, np.flatnonzero(control)])
    X, table = _centred(profiles, rows), wells.iloc[rows].reset_index(drop=True)
    n = len(selected.rows)
    Z = fit_whitening(X, table, np.arange(len(rows)) >= n)(X)
    Z = remove_position_effects(Z, table)
    names = np.unique(table["plate"].iloc[:n].astype(str).to_numpy(dtype=str))
    plate = np.asarray(pd.Index(names).get_indexer(pd.Index(table["plate"].iloc[n:].astype(str))), dtype=np.intp)
    controls = Z[n:] - pd.DataFrame(Z[n:]).groupby(plate).transform("mean").to_numpy(dtype=np.float32)
    treated, real_share = _pooled(Z[:n], selected.plate, controls, plate)
    return Displacements(treated, controls, plate, len(names), real_share, seed)


def _check_controls(wells: pd.DataFrame, plates: NDArray[np.object_]) -> None:
    """Raise NotApplicable if a plate has too few controls."""
    count = wells.loc[wells["role"] == "negcon", "plate"].value_counts().reindex(plates, fill_value=0)
    if count.min() < FEWEST_CONTROLS:
        raise NotApplicable(
            f"plate {count.idxmin()!r} has {count.min()} control wells; displacements from controls need "
            f"{FEWEST_CONTROLS} on each plate",
            code="few_controls",
        )


def _centred(profiles: Profiles, rows: Ints) -> Floats:
    """Return rows minus the mean of their plate's controls, in units of the controls' sd within plates of the batch."""
    wells = profiles.wells
    control = (wells["role"] == "negcon").to_numpy(dtype=bool)
    X = np.empty((len(rows), profiles.X.shape[1]), dtype=np.float32)
    where = pd.Series(np.arange(len(rows))).groupby(wells["plate"].iloc[rows].to_numpy()).indices
    for _, plates in wells.loc[control].groupby("batch", sort=False):
        squares, freedom = np.zeros(X.shape[1]), 0
        places = []
        for plate, index in plates.groupby("plate", sort=False).indices.items():
            of_plate = profiles.X[wells.index.get_indexer(plates.index[index])].astype(np.float64)
            mean = of_plate.mean(axis=0)
            squares += np.square(of_plate - mean).sum(axis=0)
            freedom += len(of_plate) - 1
            place = where.get(plate, np.empty(0, dtype=np.intp))
            X[place] = profiles.X[rows[place]] - mean
            places.append(place)
        sd = np.sqrt(squares / max(freedom, 1))
        X[np.concatenate(places)] /= np.where(sd > 0, sd, 1.0)
    return X


def _pooled(treated: Floats, plate: Ints, controls: Floats, control_plate: Ints) -> tuple[Floats, float]:
    """Shrink the plates' means of treated wells towards each other; also return the share of the difference kept."""
    count, n_controls = np.bincount(plate), np.bincount(control_plate[control_plate >= 0], minlength=plate.max() + 1)
    means = group_means(treated, plate)
    within = float(np.square(treated - means[plate].astype(np.float32), dtype=np.float64).sum() / len(treated))
    freedom = max(len(controls) - len(np.unique(control_plate)), 1)
    of_controls = float(np.square(controls, dtype=np.float64).sum() / freedom)
    noise = float(np.mean(of_controls / np.maximum(n_controls, 1) + within / count))
    difference = means - means.mean(axis=0)
    spread = float(np.square(difference).sum() / max(len(count) - 1, 1))
    real_share = max(0.0, 1 - noise / spread) if spread > 0 else 0.0
    return np.asarray(treated - ((1 - real_share) * difference)[plate], dtype=np.float32), real_share
