"""Find single features that tell controls from treated wells in every batch."""

from __future__ import annotations

from math import lgamma, log

import numpy as np
from numpy.typing import NDArray

from harness.core.arrays import Doubles, Floats, Mask
from harness.leak_guard.sample import Wells

_FEW_VALUES = 3
_FEWEST_WELLS = 7  # that may show whether values differ


def may_separate(wells: Wells, auroc: float) -> Mask:
    """Return the features whose AUROC may lie beyond ``auroc``, either way, in every batch; (n_features,).

    In a tenth of the time of an AUROC: were it beyond, three quarters of the controls, so also their median, would lie
    above, or below, the share ``1 - 4 (1 - auroc)`` of the treated wells (Markov's inequality).
    """
    candidates = np.ones(wells.X.shape[1], dtype=bool)
    for rows in wells.batches():
        strata = [
            _median_is_extreme(wells.X[controls], wells.X[treated], 4 * (1 - auroc))
            for controls, treated in _strata(wells, rows)
        ]
        if strata:
            candidates &= np.any(strata, axis=0)
    return candidates


def auroc_by_batch(wells: Wells) -> Doubles:
    """Return the AUROC of every feature for treated wells against controls, (n_batches, n_features).

    Over pairs of wells of one plate; of a batch whose plates hold either controls or treated wells, over all pairs.
    Batches without controls or without treated wells have none.
    """
    aurocs = []
    for rows in wells.batches():
        strata = _strata(wells, rows)
        if strata:
            weights = [len(controls) * len(treated) for controls, treated in strata]
            areas = [_auroc(wells.X[controls], wells.X[treated]) for controls, treated in strata]
            aurocs.append(np.average(areas, axis=0, weights=weights))
    return np.array(aurocs).reshape(-1, wells.X.shape[1])


def chance_bits(wells: Wells) -> Doubles:
    """Return -log2 of the chance that noise separates controls and treated wells of every batch; (n_features,).

    Between plates of controls and plates of treated wells it is the noise of plates, but for a feature of so few
    values that it is none.
    """
    of_wells, of_plates = 0.0, 0.0
    plate = wells.table["plate"].to_numpy()
    for rows in wells.batches():
        for controls, treated in _strata(wells, rows):
            bits = _choices(len(controls), len(treated))
            of_wells += bits
            n_plates = [len(set(plate[side])) for side in (controls, treated)]
            of_plates += bits if set(plate[controls]) == set(plate[treated]) else _choices(*n_plates)
    return np.where(_n_values(wells.X) <= _FEW_VALUES, of_wells, of_plates)


def is_label(wells: Wells) -> Mask:
    """Return the features that are equal in all controls, or in all treated wells; (n_features,).

    Up to 3 values in the screen, or one on each plate: a label, shifted by plate perhaps. Measurements differ from well
    to well, counts as well.
    """
    label = np.zeros(wells.X.shape[1], dtype=bool)
    for role in ("negcon", "treated"):
        rows = np.flatnonzero(wells.table["role"].to_numpy() == role)
        if len(rows) < _FEWEST_WELLS:
            continue
        label |= _n_values(wells.X[rows]) <= _FEW_VALUES
        plates = [plate for plate in _plates_within(wells, rows) if len(plate) > _FEW_VALUES]
        if plates:
            label |= np.all([(wells.X[plate] == wells.X[plate[0]]).all(axis=0) for plate in plates], axis=0)
    return label


def _choices(n_controls: int, n_treated: int) -> float:
    """Return log2 of the number of ways to choose the controls."""
    return (lgamma(n_controls + n_treated + 1) - lgamma(n_controls + 1) - lgamma(n_treated + 1)) / log(2)


def _n_values(X: Floats) -> NDArray[np.int64]:
    return np.array([len(np.unique(X[:, i])) for i in range(X.shape[1])])


def _strata(wells: Wells, rows: NDArray[np.intp]) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Return the controls and the treated wells that are compared: of each plate that has both, else of the batch."""
    sides = [_sides(wells, plate) for plate in _plates_within(wells, rows)]
    by_plate = [(controls, treated) for controls, treated in sides if len(controls) and len(treated)]
    controls, treated = _sides(wells, rows)
    whole = [(controls, treated)] if len(controls) and len(treated) else []
    return by_plate or whole


def _sides(wells: Wells, rows: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    role = wells.table["role"].to_numpy()[rows]
    return rows[role == "negcon"], rows[role == "treated"]


def _plates_within(wells: Wells, rows: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    plate = wells.table["plate"].to_numpy()[rows]
    return [rows[plate == name] for name in dict.fromkeys(plate)]


def _median_is_extreme(controls: Floats, treated: Floats, slack: float) -> Mask:
    middle = np.partition(controls, (len(controls) - 1) // 2, axis=0)[(len(controls) - 1) // 2]
    upper = np.partition(controls, len(controls) // 2, axis=0)[len(controls) // 2]
    below = ((treated < middle).mean(axis=0) + (treated <= middle).mean(axis=0)) / 2
    above = ((treated > upper).mean(axis=0) + (treated >= upper).mean(axis=0)) / 2
    extreme: Mask = (below >= 1 - slack) | (above >= 1 - slack)
    return extreme


def _auroc(controls: Floats, treated: Floats) -> Doubles:
    """Return the AUROC of every feature, (n_features,)."""
    area = np.empty(controls.shape[1])
    for i in range(controls.shape[1]):
        below = np.sort(controls[:, i])
        places = [np.searchsorted(below, treated[:, i], side) for side in ("left", "right")]
        area[i] = np.mean(places) / len(controls)
    return area
