"""Simulated screens with planted truth, of another structure than ``data=demo``.

There, batches, plates and positions are additive; here batches also scale, bend, rotate or stretch what they hold,
features may be log-normal, zero-inflated or heavy-tailed, controls may stand in fixed columns, and each compound lies
on several plates. The unit of everything that is planted is the sd of a control well within its plate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from experiments.verdict_calibration.layout import lay_out
from experiments.verdict_calibration.real_background import real_background
from harness.core.arrays import Doubles
from harness.core.profiles import Profiles
from harness.core.seeding import generator

N_FACTORS = 8  # of the correlated noise of wells
FACTOR_SHARE = 0.5  # of its variance
DISTRIBUTIONS = ("normal", "log-normal", "zero-inflated", "heavy-tailed")


@dataclass(frozen=True)
class Screen:
    """A screen of ``n_batches`` x ``plates_per_batch`` plates, another for each seed.

    Attributes
    ----------
    layout : ``random``, ``edge_columns`` (controls in the two outer columns, n_controls = 2 x rows) or
        ``fixed_compounds`` (each compound in the same well of every plate).
    replicates : wells of a compound, on as many plates; fewer if there are fewer plates.
    active : share of the compounds that do something; ``active_on_plates`` replaces it by shares of the treated wells,
        one a plate, dealt in turn; ``active_in_batches`` by shares one a batch.
    effect : length of the mean effect of an active compound, spread over all features. ``diffuse`` spreads it evenly
        over compounds; otherwise lengths are log-normal. ``shared`` : length of the part that all active compounds
        have in common (toxicity), relative to a compound's own. ``in_some_batches`` : active in half of the batches.
    batch, plate : sd of additive shifts; ``gain``, ``plate_gain`` : log-normal sd of a feature's scale;
        ``bend`` : sd of a batch's curvature; ``stretch`` : noise of the last batch relative to the first; ``turn`` :
        share of the noise factors that each batch draws anew (correlation only).
    half_plates : shift of the right half of each plate in every other batch, stained in a second run.
    edge, gradient : position effects; that of the edge falls by 1 / e in ``edge_width`` wells; 0: the outer ring only.
    treated_noise : sd of treated wells relative to controls.
    n_constant : features that do not vary within a batch. n_repeated : features that repeat others up to 5% of an sd.
    distribution : one of :data:`DISTRIBUTIONS`. background : ``simulated`` or ``bbbc021``, real control wells.
    """

    n_batches: int = 5
    plates_per_batch: int = 4
    n_features: int = 60
    n_controls: int = 16
    layout: str = "random"
    replicates: int = 8
    active: float = 0.5
    active_on_plates: tuple[float, ...] = ()
    active_in_batches: tuple[float, ...] = ()
    effect: float = 10.0
    shared: float = 0.5
    diffuse: bool = False
    in_some_batches: bool = False
    batch: float = 1.5
    plate: float = 0.7
    gain: float = 0.2
    plate_gain: float = 0.05
    bend: float = 0.0
    stretch: float = 1.0
    turn: float = 0.0
    half_plates: float = 0.0
    edge: float = 0.0
    edge_width: float = 1.5
    gradient: float = 0.3
    treated_noise: float = 1.0
    n_constant: int = 0
    n_repeated: int = 0
    distribution: str = "normal"
    background: str = "simulated"

    def profiles(self, seed: int) -> Profiles:
        """Return the wells, (n_plates * 96, n_features) float32, with ``active`` and ``effect_length`` columns."""
        wells = lay_out(self, generator(seed, "layout"))
        biology = self._effects(wells, generator(seed, "effects"))
        rng = generator(seed, "wells")
        if self.background == "bbbc021":
            X = real_background(wells, biology, self.n_features, rng)
        else:
            X = self._observed(wells, biology + self._noise(wells, rng), rng)
        wells["effect_length"] = np.linalg.norm(biology, axis=1)
        return Profiles(X.astype(np.float32), wells, name="calibration")

    def _effects(self, wells: pd.DataFrame, rng: np.random.Generator) -> Doubles:
        """Return the effect of each well's compound, (n, n_features): a shared part and a part of its own."""
        n_compounds = int(wells["number"].max()) + 1
        own_effects = rng.standard_normal((n_compounds, self.n_features))
        shared = self.shared * rng.standard_normal(self.n_features)
        length = np.full(n_compounds, 0.45) if self.diffuse else np.exp(rng.normal(-0.1, 0.45, n_compounds))
        effects = own_effects + shared
        effects *= (self.effect * length / np.sqrt(self.n_features * (1 + self.shared**2)))[:, None]
        if self.in_some_batches:
            active_in_batch = rng.permuted(
                np.tile(np.arange(self.n_batches) < (self.n_batches + 1) // 2, (n_compounds, 1)), axis=1
            )
        else:
            active_in_batch = np.ones((n_compounds, self.n_batches), dtype=bool)
        number, batch = wells["number"].to_numpy(), pd.factorize(wells["batch"])[0]
        is_active = (number >= 0) & wells["active"].to_numpy() & active_in_batch[number, batch]
        return np.where(is_active[:, None], effects[number], 0.0)

    def _noise(self, wells: pd.DataFrame, rng: np.random.Generator) -> Doubles:
        """Return the noise of wells of a plate, (n, n_features): sd 1 in every feature, correlated by factors."""
        n, p = len(wells), self.n_features
        batch = pd.factorize(wells["batch"])[0]
        loadings = np.stack([directions(rng, p)] * self.n_batches)
        anew = rng.random((self.n_batches, N_FACTORS)) < self.turn
        others = np.stack([directions(rng, p) for _ in range(self.n_batches)])
        loadings = np.where(anew[:, :, None], others, loadings)
        factors, noise = rng.standard_normal((n, N_FACTORS)), rng.standard_normal((n, p))
        noise *= np.sqrt(1 - FACTOR_SHARE)
        for b in range(self.n_batches):
            noise[batch == b] += factors[batch == b] @ loadings[b]
        if self.distribution == "heavy-tailed":  # multivariate t, 3 degrees of freedom, scaled to sd 1
            noise /= np.sqrt(rng.chisquare(3, n))[:, None]
        noise *= (self.stretch ** (batch / max(self.n_batches - 1, 1) - 0.5))[:, None]
        noise[wells["role"] == "treated"] *= self.treated_noise
        return noise

    def _observed(self, wells: pd.DataFrame, Z: Doubles, rng: np.random.Generator) -> Doubles:
        """Add technical effects to planted profiles, then the distribution, level and scale of each feature."""
        p = self.n_features
        batch, plate = pd.factorize(wells["batch"])[0], pd.factorize(wells["plate"])[0]
        n_plates = int(plate.max()) + 1
        position = _position(wells, self.edge_width)
        edge, gradient, half = rng.standard_normal((3, p))
        Z = Z + self.edge * position["edge"][:, None] * edge + self.gradient * position["column"][:, None] * gradient
        second = (position["column"] > 0) & (batch % 2 == 1)
        Z += self.half_plates * second[:, None] * half
        Z = bent(Z, self.bend * rng.standard_normal((self.n_batches, p))[batch])
        Z *= np.exp(self.gain * rng.standard_normal((self.n_batches, p))[batch])
        Z *= np.exp(self.plate_gain * rng.standard_normal((n_plates, p))[plate])
        shifts = self.batch * rng.standard_normal((self.n_batches, p))[batch]
        Z += shifts + self.plate * rng.standard_normal((n_plates, p))[plate]
        Z = distributed(Z, self.distribution)
        level, scale = 10 ** rng.uniform(-1, 3, p), 10 ** rng.uniform(-2, 2, p)
        X: Doubles = level + scale * Z
        for j in range(self.n_repeated):  # the last features repeat the first
            X[:, p - 1 - j] = X[:, j] * 3 + 0.15 * scale[j] * rng.standard_normal(len(X))
        for j in range(self.n_constant):
            X[:, j] = level[j] + 0.37 * batch
        return X


def bent(Z: Doubles, curvature: Doubles) -> Doubles:
    """Bend profiles by an increasing function: tails longer if ``curvature`` is positive, shorter if negative."""
    size = np.maximum(np.abs(curvature), 1e-6)
    return np.where(curvature > 0, np.sinh(np.clip(size * Z, -20, 20)), np.arcsinh(size * Z)) / size


def distributed(Z: Doubles, distribution: str) -> Doubles:
    """Give profiles the ``distribution`` of a count, an intensity or a rare structure; normal ones stay."""
    if distribution == "log-normal":
        return np.exp(0.5 * np.clip(Z, -12, 12))
    if distribution == "zero-inflated":  # four features of ten are 0 in about half of the wells
        sparse = np.arange(Z.shape[1]) % 10 < 4
        return np.where(sparse, np.maximum(Z, 0.0), np.exp(0.5 * np.clip(Z, -12, 12)))
    return Z


def two_batches(**changes: Any) -> Screen:
    """Return a likeness of real screens of two batches: raw AUROC about 0.8 on the held-out batch, real effects."""
    usual: dict[str, Any] = {"n_batches": 2, "plates_per_batch": 5, "effect": 8.0, "active": 0.8, "batch": 1.0}
    return Screen(**{**usual, **changes})


def directions(rng: np.random.Generator, p: int) -> Doubles:
    """Draw loadings of the factors, (N_FACTORS, p), which give each feature :data:`FACTOR_SHARE` of its variance."""
    loadings = rng.standard_normal((N_FACTORS, p))
    return np.asarray(loadings * np.sqrt(FACTOR_SHARE / np.square(loadings).sum(axis=0)))


def _position(wells: pd.DataFrame, width: float) -> dict[str, Doubles]:
    """Return nearness to the edge, 1 in the outer ring, and the column from -1 to 1."""
    row, column = wells["row"].to_numpy(), wells["column"].to_numpy()
    away = np.minimum.reduce([row - 1, row.max() - row, column - 1, column.max() - column])
    return {"edge": np.exp(-away / max(width, 1e-3)), "column": 2 * (column - 1) / (column.max() - 1) - 1}
