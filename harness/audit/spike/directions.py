"""Directions of spikes: those of single real compounds, and random ones."""

from __future__ import annotations

import numpy as np
import pandas as pd

from harness.audit.shared.whitening import Whitening, fit_whitening
from harness.audit.spike.design import spike_candidates
from harness.core.arrays import Doubles, Floats
from harness.core.exceptions import NotApplicable
from harness.core.profiles import Profiles
from harness.core.seeding import generator

REPEATED = 0.01  # of the mean variance of controls: that of the difference of two features with a correlation of 0.99
MOST = 10.0  # control sd of one feature; a single well may have hundreds


def spike_directions(profiles: Profiles, n: int, seed: int) -> list[Doubles]:
    """Return ``n`` directions in control sd of a plate, root mean square 1 over the features that vary, (n_features,).

    They alternate between that of a random single compound, noise included, and a random one that is isotropic in the
    space in which control wells vary alike in every direction. None is a mean over compounds. Directions in which
    control wells hardly vary, the differences of features that repeat each other, are removed from both: no effect lies
    there, and a normalization may drop them.

    Raises
    ------
    NotApplicable : no treated wells; no feature varies over the controls of every plate.
    """
    deviation = deviations(profiles)
    varies = np.isfinite(deviation).all(axis=0)
    treated = spike_candidates(profiles.wells)
    if not treated.any():
        raise NotApplicable("no treated wells: there are none to spike", code="no_treated")
    deviation = np.where(varies, deviation, 0).astype(np.float32)
    controls = (profiles.wells["role"] == "negcon").to_numpy(dtype=bool)
    white = fit_whitening(deviation, profiles.wells, controls)
    sources = _sources(profiles.wells)
    order = generator(seed, "compounds").permutation(len(sources))
    result: list[Doubles] = []
    for i in range(n):
        if i % 2:
            direction = _coloured(
                white, np.asarray(generator(seed, "random direction", i).standard_normal(deviation.shape[1]))
            )
        else:
            rows = sources[order[(i // 2) % len(order)]]
            direction = np.asarray(np.clip(deviation[rows], -MOST, MOST).mean(axis=0, dtype=np.float64))
        direction = _without_repeats(white, direction)
        length = np.sqrt(np.mean(direction[varies] ** 2))
        result.append(np.asarray(direction / length if length > 0 else varies, dtype=np.float64))
    return result


def deviations(profiles: Profiles) -> Floats:
    """Return wells minus the mean of their plate's controls, in units of the controls' sd, (n_wells, n_features).

    NaN for features that do not vary over the controls of the plate.

    Raises
    ------
    NotApplicable : a plate with fewer than 2 control wells; no feature varies over the controls of every plate.
    """
    wells = profiles.wells
    is_control = (wells["role"] == "negcon").to_numpy(dtype=bool)
    out = np.empty(profiles.X.shape, dtype=np.float32)
    for plate, rows in wells.groupby("plate", sort=False).indices.items():
        controls = profiles.X[rows[is_control[rows]]]
        if len(controls) < 2:
            raise NotApplicable(
                f"plate {plate!r} has {len(controls)} control wells; the scale of a spike needs 2 or more",
                code="few_controls",
            )
        sd = controls.std(axis=0, dtype=np.float64)
        sd[sd <= 8 * np.finfo(np.float32).eps * np.abs(controls).max(axis=0)] = np.nan
        out[rows] = (profiles.X[rows] - controls.mean(axis=0, dtype=np.float64)) / sd
    if not np.isfinite(out).all(axis=0).any():
        raise NotApplicable("no feature varies over the control wells of every plate", code="nothing_varies")
    return out


def _sources(wells: pd.DataFrame) -> list[np.ndarray[tuple[int], np.dtype[np.intp]]]:
    """Return the rows of each compound among the treated wells; each well on its own if compounds are not named."""
    rows = np.flatnonzero(spike_candidates(wells))
    table = wells.iloc[rows]
    named = table["compound"].notna() & (table["compound"] != "") if "compound" in table else pd.Series(False, rows)
    if named.to_numpy().any():
        named_rows = rows[named.to_numpy()]
        groups = pd.Series(named_rows).groupby(wells["compound"].to_numpy()[named_rows])
        return [group.to_numpy() for _, group in groups]
    names = (table["plate"].astype(str) + "\x1f" + table["well"].astype(str)).to_numpy()
    return [rows[[i]] for i in np.argsort(names)]


def _without_repeats(white: Whitening, direction: Doubles) -> Doubles:
    """Remove the part of a direction along which control wells hardly vary, in features in units of their sd."""
    variance = 1 / white.gain**2 - (1 / white.rest**2 if white.rest > 0 else 0.0)
    quiet = white.axes[:, variance < REPEATED * variance.sum() / len(white.scale)]
    scale = np.where(np.isfinite(white.scale), white.scale, 0)
    scaled = direction / white.scale
    return np.asarray((scaled - quiet @ (quiet.T @ scaled)) * scale)


def _coloured(white: Whitening, isotropic: Doubles) -> Doubles:
    """Map a vector of white space back to features: the inverse of :class:`Whitening` on displacements."""
    along = white.axes.T @ isotropic
    rest = 1 / white.rest if white.rest > 0 else 0.0
    scaled = rest * (isotropic - white.axes @ along) + white.axes @ (along / white.gain)
    return np.where(np.isfinite(white.scale), scaled * np.where(np.isfinite(white.scale), white.scale, 0), 0)
