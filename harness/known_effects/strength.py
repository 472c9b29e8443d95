"""Strength of a well: the distance of its profile from the control wells of its plate."""

from __future__ import annotations

import numpy as np

from harness.core.arrays import Doubles
from harness.core.exceptions import NotApplicable
from harness.core.profiles import Plate, Profiles
from harness.norm.engine.exchangeable import MIN_CONTROLS, control_index, control_wells, left_out_control
from harness.numerics.moments import leave_one_out, moments, moments_by_well

LEAST_VARIATION = 0.01  # sd over control wells relative to that over all wells


def strength(profiles: Profiles) -> Doubles:
    """Return the distance of each well from the controls of its plate in control sd, (n_wells,).

    Computed once and remembered with ``profiles``.

    Root mean square over features of (x - m) / s: m the mean over the plate's control wells, without the well itself
    if it is a control, and without one drawn at random otherwise (:mod:`harness.norm.engine.exchangeable`); s the sd of
    control wells around the mean of their plate, pooled over all OTHER plates. So a treated well that is like a
    control is as far away as a control, sqrt(1 + 1/(k-1)) for k controls a plate. The unit s is one for the screen: a
    plate that a normalization left too wide stays too wide. On simulated screens its rank correlation with the
    planted strength is above that of the Mahalanobis distance in 20 or 50 principal components in most cases, and it
    needs no choice.

    Features that hardly vary over control wells (less than 1% of the variation over all wells around their plate's
    mean) would outweigh all others and are left out. NaN on plates with fewer than 3 control wells.

    Parameters
    ----------
    profiles : one row per well, raw or normalized.

    Raises
    ------
    NotApplicable : fewer than 2 plates have 3 control wells, or no feature varies over control wells.
    """
    return profiles.cached("distance from controls", lambda: _strength(profiles))


def _strength(profiles: Profiles) -> Doubles:
    """Compute what :func:`strength` returns."""
    usable = [p for p in profiles if len(control_wells(p)) >= MIN_CONTROLS]
    if len(usable) < 2:
        raise NotApplicable(
            f"{len(usable)} plates with {MIN_CONTROLS} control wells; distances from the controls need 2"
        )
    control_moments = {p.name: moments(p.X, rows=p.negcon) for p in sorted(usable, key=lambda p: p.name)}
    degrees = {name: float(m.n) - 1 for name, m in control_moments.items()}
    well_moments = [moments(p.X, rows=p.filled) for p in sorted(usable, key=lambda p: p.name)]
    usual_variance = np.sum([m.M2 for m in well_moments], axis=0) / sum(float(m.n) - 1 for m in well_moments)
    # a constant float32 feature has rounding for variance: only what Moments.sd calls varying counts
    varies = np.any([m.sd > 0 for m in control_moments.values()], axis=0)
    total, n = np.sum([m.M2 for m in control_moments.values()], axis=0), sum(degrees.values())
    distance = np.full(len(profiles.wells), np.nan)
    for plate in usable:
        variance = (total - control_moments[plate.name].M2) / (n - degrees[plate.name])
        read = varies & (variance > LEAST_VARIATION**2 * usual_variance)
        if not read.any():
            raise NotApplicable("no feature varies over the control wells")
        z = _deviations(plate)[:, read] / np.sqrt(variance[read])
        distance[plate.rows] = np.sqrt(np.einsum("ij,ij->i", z, z) / read.sum())
    return distance


def _deviations(plate: Plate) -> Doubles:
    """Return each row minus the mean of the plate's controls without one of them, (n, n_features)."""
    reference = control_wells(plate)
    controls = plate.negcon
    codes = control_index(plate, reference)[controls]
    others = leave_one_out(moments_by_well(plate.X[controls], codes, len(reference)))
    return np.asarray(plate.X.astype(np.float64) - others.mean[left_out_control(plate, reference, 0)])
