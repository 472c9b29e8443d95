"""A known effect added to known wells: which wells, which direction, how strong. Arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.audit.mahalanobis import shrunk_mahalanobis
from harness.norm.dmso_within import DmsoWithin
from harness.norm.normalize import normalize
from harness.seeding import generator
from harness.types import Doubles, Floats, InputError, Mask, Profiles

FEW = 0.01
SPARSE = 0.05
COMMON = 0.9
BEYOND = 0.05
FOLDS = 5


def candidates(wells: pd.DataFrame) -> Mask:
    """Wells that may be spiked, (n_wells,): treated ones."""
    return np.asarray(wells["role"] == "treated")


def pick(wells: pd.DataFrame, prevalence: Mapping[str, float], *, same_positions: bool, seed: int) -> Mask:
    """Choose on each plate the given share of treated wells, (n_wells,) bool; at least one where the share is positive.

    Parameters
    ----------
    prevalence : share by plate, 0 to 1.
    same_positions : take wells in one order of positions on every plate, so that the same positions are spiked.
    """
    chosen = np.zeros(len(wells), dtype=bool)
    positions = np.sort(wells["well"].unique())
    fixed = pd.Series(generator(seed, "spiked positions").permutation(len(positions)), positions)
    by_name = np.argsort(wells["well"].to_numpy(), kind="stable")  # whatever the order of rows
    treated = by_name[candidates(wells)[by_name]]
    rows_of = pd.Series(treated).groupby(wells["plate"].to_numpy()[treated])
    for plate, rows in rows_of:
        n = int(np.ceil(prevalence[str(plate)] * len(rows)))
        if same_positions:
            order = rows.to_numpy()[np.argsort(wells["well"].iloc[rows].map(fixed).to_numpy())]
        else:
            order = generator(seed, "spiked wells", plate).permutation(rows.to_numpy())
        chosen[order[:n]] = True
    return chosen


@dataclass(frozen=True)
class Design:
    """Which wells an arm spikes: share of treated wells by plate, and whether at the same positions everywhere."""

    name: str
    prevalence: Mapping[str, float]
    same_positions: bool = False

    def pick(self, wells: pd.DataFrame, seed: int) -> Mask:
        return pick(wells, self.prevalence, same_positions=self.same_positions, seed=seed)


def half_of_plates(wells: pd.DataFrame, share: float, rest: float, seed: int) -> dict[str, float]:
    """``share`` on a random half of each batch's plates, ``rest`` on the others."""
    prevalence: dict[str, float] = {}
    plates = wells.drop_duplicates("plate")
    for batch, own in plates.groupby("batch")["plate"]:
        order = generator(seed, "rich plates", batch).permutation(np.sort(own.to_numpy()))
        rich = set(order[: (len(order) + 1) // 2])
        prevalence |= {str(p): share if p in rich else rest for p in own}
    return prevalence


def by_batch(wells: pd.DataFrame, low: float, high: float, seed: int, *, most: int = 6) -> dict[str, float]:
    """From ``low`` to ``high`` over the batches, in random order, in at most ``most`` equal steps."""
    batches = generator(seed, "batch order").permutation(np.sort(wells["batch"].unique()))
    steps = np.linspace(low, high, min(len(batches), most))
    level = dict(zip(batches, steps[np.arange(len(batches)) * len(steps) // len(batches)], strict=True))
    return {str(p): float(level[b]) for p, b in wells.drop_duplicates("plate")[["plate", "batch"]].to_numpy()}


def everywhere(wells: pd.DataFrame, share: float) -> dict[str, float]:
    """The same share on every plate."""
    return dict.fromkeys(wells["plate"].astype(str).unique(), share)


def control_distance(profiles: Profiles, seed: int) -> Doubles:
    """How far each well is from control wells in general, (n_wells,).

    Mahalanobis distance of exchangeable control z-scores from 0, with the Ledoit-Wolf covariance (2004, J. Multivar.
    Anal. 88) of the controls of other plates: a well's own plate takes no part, so that control and treated
    wells are measured alike.

    Raises
    ------
    InputError : a plate with fewer than 3 control wells; a single plate.
    """
    if len(profiles) < 2:
        raise InputError("spike-in: found 1 plate; distances from the controls of other plates need 2 or more")
    z = normalize(profiles, DmsoWithin())
    controls = (z.wells["role"] == "negcon").to_numpy()
    plates = np.sort(z.wells["plate"].unique())
    order = generator(seed, "distance folds").permutation(plates)
    fold = z.wells["plate"].map({plate: i % FOLDS for i, plate in enumerate(order)}).to_numpy()
    distance = np.empty(len(z.wells))
    for number in np.unique(fold):
        reference = z.X[controls & (fold != number)].astype(np.float64)
        distance[fold == number] = shrunk_mahalanobis(z.X[fold == number].astype(np.float64), reference)
    return distance


def estimated_prevalence(distance: Doubles, wells: pd.DataFrame, rng: np.random.Generator) -> dict[str, float]:
    """Share of treated wells of each plate that stand out from its controls, by plate, from one resample of wells.

    Wells beyond the j-th largest control of their own plate stand out, j nearest to 5% of the controls; were they
    controls, j / (k + 1) of them would (exactly, by exchangeability), and that share is taken off. With few controls
    the j-th largest is a noisy limit (its exceedance has a Beta(j, k + 1 - j) distribution), so plates are shrunk
    towards the mean of their batch, and batches towards that of the screen, by the share of their variance that this
    noise explains (James-Stein; Efron & Morris 1975, J. Am. Stat. Assoc. 70). Treated wells are drawn with
    replacement, so that repeated calls show the uncertainty.
    """
    role = wells["role"].to_numpy()
    plates, estimate, noise = [], [], []
    for plate, rows in wells.groupby("plate", sort=False).indices.items():
        controls, treated = (distance[rows[role[rows] == r]] for r in ("negcon", "treated"))
        if not len(treated):
            continue
        k = len(controls)
        j = max(1, round(BEYOND * (k + 1)))
        chance = j / (k + 1)
        share = (rng.choice(treated, len(treated)) > np.sort(controls)[-j]).mean()
        plates.append(str(plate))
        estimate.append((share - chance) / (1 - chance))
        sampling = 2 * share * (1 - share) / len(treated)  # of the wells and of drawing from them
        noise.append((chance * (1 - chance) / (k + 2) + sampling) / (1 - chance) ** 2)
    batch = wells.drop_duplicates("plate").set_index("plate")["batch"].loc[plates].to_numpy()
    shrunk = _shrunk(np.array(estimate), np.array(noise), batch)
    return dict(zip(plates, np.clip(shrunk, 0.0, 1.0).tolist(), strict=True))


def _shrunk(estimate: Doubles, noise: Doubles, batch: NDArray[np.object_]) -> Doubles:
    """Estimates of plates drawn to their batch's mean, and batches' means to the mean of all: (n_plates,)."""
    names, codes = np.unique(batch, return_inverse=True)
    size = np.bincount(codes)
    mean = np.bincount(codes, estimate) / size
    between = _drawn(mean, np.bincount(codes, noise) / size**2, np.full(len(names), mean.mean()), len(names) - 1)
    inside = _drawn(estimate, noise, mean[codes], len(estimate) - len(names))
    return between[codes] + inside - mean[codes]


def _drawn(value: Doubles, noise: Doubles, centre: Doubles, freedom: int) -> Doubles:
    """``value`` drawn to ``centre`` by the share of its variance around it that ``noise`` explains."""
    if freedom < 1:
        return value
    real = max(0.0, float(np.square(value - centre).sum() / freedom - noise.mean()))
    return np.asarray(centre + (value - centre) * real / (real + noise))


def control_sd(X: Floats, wells: pd.DataFrame) -> Doubles:
    """Standard deviation of each plate's control wells by row of X, (n_wells, n_features): each row its plate's.

    Raises
    ------
    InputError : a plate with fewer than 2 control wells.
    """
    out = np.empty(X.shape, dtype=np.float64)
    for plate, rows in wells.groupby("plate", sort=False).indices.items():
        controls = rows[(wells["role"].to_numpy() == "negcon")[rows]]
        if len(controls) < 2:
            raise InputError(f"spike-in: plate {plate!r} has {len(controls)} control wells; a scale needs 2 or more")
        out[rows] = X[controls].std(axis=0, dtype=np.float64)
    return out


def directions(profiles: Profiles, train: Mask, n: int, seed: int) -> list[Doubles]:
    """Real treated-minus-control differences on training plates, in control sd, root mean square 1: n x (n_features,).

    Each is the mean over 8 wells drawn among the quarter of training wells farthest from their plate's controls: real
    effects where there are any, the direction of ordinary variation where there are none.

    Raises
    ------
    InputError : no feature varies over the control wells of every training plate.
    """
    X, wells = profiles.X, profiles.wells
    scale = control_sd(X, wells)
    centre = np.empty(X.shape, dtype=np.float64)
    for rows in wells.groupby("plate", sort=False).indices.values():
        controls = rows[(wells["role"].to_numpy() == "negcon")[rows]]
        centre[rows] = X[controls].mean(axis=0, dtype=np.float64)
    rows = np.flatnonzero(train & candidates(wells))
    usable = (scale[rows] > 0).all(axis=0)
    if not usable.any():
        raise InputError("spike-in: no feature varies over the control wells of every training plate; add controls")
    difference = np.zeros((len(rows), X.shape[1]))
    difference[:, usable] = ((X[rows] - centre[rows]) / np.where(scale[rows] > 0, scale[rows], 1))[:, usable]
    strength = np.square(np.clip(difference, -10, 10)).mean(axis=1)
    far = np.flatnonzero(strength >= np.quantile(strength, 0.75))
    found = []
    for i in range(n):
        drawn = generator(seed, "direction", i).choice(far, size=min(8, len(far)), replace=False)
        mean = np.clip(difference[drawn], -10, 10).mean(axis=0)
        found.append(mean / np.sqrt(np.mean(mean**2)))
    return found


def add(profiles: Profiles, spiked: Mask, direction: Doubles, amplitude: float, scale: Doubles) -> Profiles:
    """Profiles with ``amplitude`` x ``direction`` x the plate's control sd added to the spiked wells.

    Planted truth, where there is any, is given the same effect in its own control sd.
    """
    X = profiles.X.copy()
    X[spiked] += (amplitude * direction * scale[spiked]).astype(np.float32)
    if profiles.planted is None:
        return profiles.replace(X=X)
    planted = profiles.planted.copy()
    own = control_sd(planted, profiles.wells)
    planted[spiked] += (amplitude * direction * own[spiked]).astype(np.float32)
    return profiles.replace(X=X, planted=planted)
