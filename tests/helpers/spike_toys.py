"""A simulated screen for spike-ins, and what harmless and harmful methods do to it after scaling by controls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from harness.core.profiles import Plate, Profiles
from harness.core.scope import FitScope
from harness.core.seeding import generator
from harness.norm.base import Normalizer
from harness.norm.dmso_within import DmsoWithin


def plates_of_wells(
    *,
    seed: int = 0,
    n_batches: int = 5,
    n_plates: int = 4,
    n_wells: int = 96,
    n_controls: int = 16,
    n_features: int = 30,
    active: float = 0.15,
    fixed: bool = False,
    heavy: bool = False,
) -> Profiles:
    """Correlated features, multiplicative plates, shifted batches; compounds on all plates, in random wells or fixed.

    ``heavy``: log-normal instead of normal noise.
    """
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((n_features, n_features)) * np.geomspace(2, 0.2, n_features)[:, None]
    n_treated = n_wells - n_controls
    effects = np.where(rng.random((n_treated, 1)) < active, 1.5 * rng.standard_normal((n_treated, n_features)), 0.0)
    scale = 10 ** rng.uniform(-1, 2, n_features)
    names = [f"{chr(65 + i // 12)}{i % 12 + 1:02d}" for i in range(n_wells)]
    order = rng.permutation(n_wells)
    parts, tables = [], []
    for batch in range(n_batches):
        shift = rng.standard_normal(n_features)
        for plate in range(n_plates):
            if not fixed:
                order = rng.permutation(n_wells)
            noise = rng.standard_normal((n_wells, n_features))
            x = (np.exp(noise) - 1.65 if heavy else noise) @ mixing
            compound = np.full(n_wells, "DMSO", dtype=object)
            compound[order[n_controls:]] = [f"c{c:03d}" for c in range(n_treated)]
            x[order[n_controls:]] += effects * mixing.std(axis=0) * np.sqrt(n_features)
            parts.append(50 + scale * (rng.lognormal(0, 0.2, n_features) * x + shift + rng.normal(0, 0.3, n_features)))
            role = np.where(compound == "DMSO", "negcon", "treated")
            table = {"plate": f"b{batch}p{plate}", "well": names, "batch": f"b{batch}", "role": role}
            tables.append(pd.DataFrame({**table, "compound": compound}))
    return Profiles(np.concatenate(parts).astype(np.float32), pd.concat(tables, ignore_index=True))


class After(Normalizer):
    """Scale each plate by its controls, then ``change(Z, plate)``."""

    scope = FitScope.PLATE

    def __init__(self, change: Callable[[Any, Plate], Any] | None = None) -> None:
        self.change = change

    def fit(self, plates: Sequence[Plate]) -> After:
        self.scaled_ = DmsoWithin().fit(plates)
        return self

    def transform(self, plate: Plate) -> Any:
        assert self.change is not None
        return np.asarray(self.change(self.scaled_.transform(plate), plate), dtype=np.float32)


def basis(n: int, n_axes: int | None = None) -> Any:
    return np.linalg.qr(np.random.default_rng(11).standard_normal((n, n_axes or n)))[0]


def noisy(Z: Any, plate: Plate) -> Any:
    """Add noise of one control sd, the same in every pass."""
    draws = [generator("noise", plate.name, well).standard_normal(Z.shape[1]) for well in plate.wells["well"]]
    return Z + np.array(draws)


def on_axes(n_axes: int) -> Callable[[Any, Plate], Any]:
    return lambda Z, _: Z @ basis(Z.shape[1], n_axes) @ basis(Z.shape[1], n_axes).T


def halved(Z: Any, _: Plate) -> Any:
    return Z * (np.arange(Z.shape[1]) % 2)


HARMLESS = {
    "rotation": lambda Z, _: Z @ basis(Z.shape[1]),
    "constants": lambda Z, _: Z * np.geomspace(0.01, 100, Z.shape[1]) + 7,
    "asinh": lambda Z, _: np.arcsinh(Z),
    "power": lambda Z, _: np.sign(Z) * np.abs(Z) ** 0.8,
}
HARMFUL = {"one axis": on_axes(1), "three components": on_axes(3), "noise": noisy, "half of the features": halved}
