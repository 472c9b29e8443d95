"""The planted biology of the simulated screen: features, compounds and assays, drawn once for a screen.

A profile is a point in a latent space of correlated cell states, seen through loadings. A compound moves the cells
within the same space, so that a stronger effect, not a higher number of features, makes it easier to find.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from harness.core.arrays import Doubles, Mask
from harness.data.simulation.layout import Layout, stream

N_LATENT = 24  # axes of natural variation; axis 0 is toxicity
N_EFFECT = 8  # latent axes 1..8, along which compounds differ
COMMUNALITY = (0.4, 0.8)  # share of a feature's well-to-well variance that comes from the latent axes
CONSTANT_SHARE, RARE_SHARE = 0.02, 0.03  # features that are constant everywhere, or constant on controls
STRONG, STRONG_TAIL = 1.0, 3.0  # strength of an active compound: at least 1, Pareto tail
WEAK_SHARE, WEAK = 0.7, 0.5  # of the other compounds 70% act weakly (median; log-normal), the rest do nothing
TOXIC = (0.5, 0.95)  # cosine between a compound's latent displacement and the toxicity axis
N_ASSAYS, ASSAY_ACTIVE, ASSAY_MISSING, ASSAY_NOISE = 12, (0.05, 0.3), (0.3, 0.8), 0.3
KINDS = np.array(["ordinary", "constant", "constant_on_controls"])
COMPARTMENTS, GROUPS = ("Cells", "Cytoplasm", "Nuclei"), ("AreaShape", "Granularity", "Intensity", "Texture")


class Features:
    """Features: ``names``, ``kind``, raw ``mean`` and ``scale``, ``loadings`` (N_LATENT, n), ``own`` noise sd.

    The variance of an ordinary feature over control wells is 1 in planted units: communality from the latent axes,
    the rest its own. Raw means lie several scales from 0, mostly above; both spread over two orders of magnitude.
    """

    def __init__(self, seed: int, n: int) -> None:
        rng = stream(seed, "features")
        kind = np.zeros(n, dtype=np.int64)
        special = rng.permutation(n)
        n_constant, n_rare = max(1, round(CONSTANT_SHARE * n)), max(1, round(RARE_SHARE * n))
        kind[special[:n_constant]] = 1
        kind[special[n_constant : n_constant + n_rare]] = 2
        self.kind, self.ordinary, self.rare = KINDS[kind], kind == 0, np.flatnonzero(kind == 2)
        groups = [f"{c}_{g}" for g in GROUPS for c in COMPARTMENTS]
        self.names = [f"{groups[i % len(groups)]}_{i // len(groups) + 1:03d}" for i in range(n)]
        self.mean: Doubles = np.exp(rng.normal(1.5, 0.8, n)) * np.where(rng.random(n) < 0.85, 1.0, -1.0)
        self.scale: Doubles = np.exp(rng.normal(-0.5, 0.8, n))
        # Variance of the latent axes falls slowly, as principal components of control wells do.
        loadings = rng.normal(size=(N_LATENT, n)) * (np.arange(1, N_LATENT + 1) ** -0.25)[:, None]
        communality = rng.uniform(*COMMUNALITY, n)
        self.loadings: Doubles = loadings * np.sqrt(communality / (loadings**2).sum(axis=0)) * self.ordinary
        self.own: Doubles = np.sqrt(1 - communality) * self.ordinary


class Library:
    """Compounds of a layout: whether they are strong (``potent``), their effect (``latent``) and their assays.

    ``strength`` is the root mean square over ordinary features of a compound's effect, in sd of control wells;
    ``latent`` (n_compounds, 1 + N_EFFECT) the displacement in sd of the latent axes, toxicity first; ``rare``
    (n_compounds, n_rare) the value of the features that are constant on controls: a structure that appears only
    under strong compounds of one half of the effect space.
    """

    def __init__(self, seed: int, layout: Layout, features: Features, share_of_map: Doubles) -> None:
        n = len(layout.compounds)
        rng = stream(seed, "library")
        self.seed, self.names = seed, layout.compounds
        self.potent: Mask = rng.random(n) < share_of_map[layout.maps]
        strong = STRONG * (1 + rng.pareto(STRONG_TAIL, n)).clip(max=5)
        weak = (WEAK * np.exp(0.4 * rng.normal(size=n))).clip(max=0.99 * STRONG) * (rng.random(n) < WEAK_SHARE)
        self.strength: Doubles = np.where(self.potent, strong, weak)
        axes = rng.normal(size=(n, N_EFFECT))
        self.axes: Doubles = axes / np.linalg.norm(axes, axis=1, keepdims=True)
        cosine = rng.uniform(*TOXIC, n)[:, None]
        towards = np.concatenate([cosine, np.sqrt(1 - cosine**2) * self.axes], axis=1)
        seen = features.loadings[: 1 + N_EFFECT]
        length = np.sqrt(np.einsum("ij,jk,ik->i", towards, seen @ seen.T, towards) / features.ordinary.sum())
        self.latent: Doubles = towards * (self.strength / length)[:, None]
        half = self.axes @ rng.normal(size=(N_EFFECT, len(features.rare))) > 0
        self.rare: Doubles = np.where(half & self.potent[:, None], self.strength[:, None], 0.0)

    def compounds(self, effect: float) -> pd.DataFrame:
        """Return ``compound, strength, active, toxicity, axis_1..axis_8``, as they act on the screen's cells."""
        table = pd.DataFrame(
            {
                "compound": self.names,
                "strength": effect * self.strength,
                "active": self.potent & (effect > 0),
                "toxicity": effect * self.latent[:, 0],
            }
        )
        columns = [f"axis_{i}" for i in range(1, N_EFFECT + 1)]
        return table.join(pd.DataFrame(effect * self.latent[:, 1:], columns=columns))

    def assays(self) -> pd.DataFrame:
        """Return ``compound`` and one column per assay: 1 active, 0 inactive, NaN not measured.

        An assay responds to one direction of the effect space; its most displaced compounds are its actives, with
        some noise. A screen without biology has the same labels, unrelated to its images.
        """
        table = {}
        for a in range(N_ASSAYS):
            rng = stream(self.seed, "assay", a)
            direction = rng.normal(size=N_EFFECT)
            response = self.latent[:, 1:] @ direction / np.linalg.norm(direction)
            response = response + ASSAY_NOISE * rng.normal(size=len(response))
            active = response > np.quantile(response, 1 - rng.uniform(*ASSAY_ACTIVE))
            missing = rng.random(len(response)) < rng.uniform(*ASSAY_MISSING)
            table[f"assay_{a + 1:02d}"] = np.where(missing, np.nan, active.astype(np.float64))
        return pd.DataFrame({"compound": self.names, **table})
