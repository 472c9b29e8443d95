"""Normalizations to apply: fitted to the screen, or saved by an earlier run; and the profiles with their features."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from hydra.utils import instantiate
from numpy.typing import NDArray
from omegaconf import DictConfig

from harness.cli.load_screen import LoadedScreen
from harness.core.arrays import Floats
from harness.core.exceptions import InputError
from harness.core.profiles import Profiles
from harness.core.scope import FitScope
from harness.norm.base import Normalizer, check_scope
from harness.norm.engine.normalize import fit
from harness.norm.engine.serialization import load_with_extra
from harness.utils.text import preview

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FittedNormalization:
    """A normalization that is fitted to a screen, or was saved before, and the profiles to transform.

    Attributes
    ----------
    source : in words, the data that it was fitted on.
    trained_on : name, fingerprint and plates of these data.
    """

    name: str
    normalizer: Normalizer
    profiles: Profiles
    source: str
    trained_on: dict[str, Any]

    def lines(self) -> list[str]:
        """Return a line about each stage: its class, its scope and the data that it was fitted on."""
        return [
            f"{type(stage).__name__} ({stage.scope}): {describe_fit(stage, self.source)}"
            for stage in self.normalizer.stages()
        ]


def fit_normalization(cfg: DictConfig, name: str) -> FittedNormalization:
    """Load the screen and fit the chosen normalization to it."""
    if not name:
        raise InputError("nothing to apply: add +norm=NAME, or fitted=NAME.statistics.npz of an earlier run")
    normalizer = instantiate(cfg.norm, _convert_="all")
    check_scope(normalizer.scope)
    profiles = LoadedScreen(cfg).profiles
    trained_on = {
        "data": profiles.name,
        "fingerprint": profiles.fingerprint,
        "plates": list(dict.fromkeys(profiles.wells["plate"])),
    }
    source = f"all {len(profiles.wells):,} rows"
    return FittedNormalization(name, fit(profiles, normalizer), profiles, source, trained_on)


def load_normalization(cfg: DictConfig) -> FittedNormalization:
    """Load a saved normalization, and the screen with its features."""
    normalizer, trained_on = load_with_extra(Path(cfg.fitted))
    if not {"name", "features", "data", "fingerprint", "plates"} <= set(trained_on):
        raise InputError(f"{cfg.fitted}: no feature names in it; expected NAME.statistics.npz of harness.apply")
    profiles = LoadedScreen(cfg).profiles
    _check_plates(profiles, trained_on)
    profiles = select_features(profiles, trained_on["features"], str(cfg.fitted))
    source = f"{trained_on['data']} ({trained_on['fingerprint'][:8]}), frozen"
    return FittedNormalization(trained_on["name"], normalizer, profiles, source, trained_on)


def _check_plates(profiles: Profiles, trained_on: dict[str, Any]) -> None:
    """Warn if other data have names of fitted plates: they are taken for the same plates."""
    again = sorted(set(trained_on["plates"]) & set(profiles.wells["plate"]))
    if again and profiles.fingerprint != trained_on["fingerprint"]:
        logger.warning(
            "plates %s have the names of plates that were fitted, but these are other data: if they are other plates, "
            "their control wells may be taken for those that were fitted; rename them",
            preview(again, 3),
        )


def describe_fit(stage: Normalizer, training: str) -> str:
    """Return in words which data a stage's statistics come from; ``training`` names the rows to train on."""
    if type(stage).fit is Normalizer.fit and type(stage).adapt is Normalizer.adapt:
        return "nothing is fitted"
    return {
        FitScope.PLATE: "fitted on each of these plates itself",
        FitScope.BATCH: "fitted on each of these batches itself",
        FitScope.TRAIN: f"fitted on {training}",
        FitScope.TRAIN_AND_CONTROLS: f"fitted on {training}, then adapted to the controls of each of these batches",
        FitScope.TRANSDUCTIVE: f"fitted on {training}",
    }[check_scope(stage.scope)]


class SelectedColumns:
    """Some columns of an array (n, m), in another order; rows are read on access."""

    ndim = 2

    def __init__(self, X: Floats, columns: NDArray[np.int64]) -> None:
        self.X = X
        self.columns = columns
        self.shape = (len(X), len(columns))

    def __len__(self) -> int:
        return len(self.X)

    def __getitem__(self, rows: slice) -> Floats:
        return np.ascontiguousarray(self.X[rows][:, self.columns])


def select_features(profiles: Profiles, features: list[str], source: str) -> Profiles:
    """Return ``profiles`` with exactly ``features``, in their order; others are left out.

    Raises
    ------
    InputError : features that the data do not have.
    """
    place = {name: i for i, name in enumerate(profiles.features)}
    missing = [name for name in features if name not in place]
    if missing:
        raise InputError(
            f"{source}: {len(missing)} of the {len(features)} features that were fitted are not in the data: "
            f"{preview(missing)}; the data have {preview(profiles.features, 3)}"
        )
    if list(profiles.features) == features:
        return profiles
    columns = np.array([place[name] for name in features], dtype=np.int64)
    return profiles.replace(X=cast(Floats, SelectedColumns(profiles.X, columns)), features=features, planted=None)
