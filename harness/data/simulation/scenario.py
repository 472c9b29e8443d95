"""Scenarios and sizes of the simulated screen, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from harness.core.arrays import Doubles
from harness.core.exceptions import InputError
from harness.data.simulation.layout import SHAPES, RandomLayout, stream

T = TypeVar("T")


@dataclass(frozen=True)
class Scenario:
    """Properties of a screen that differ from those of ``balanced``.

    ``effect`` and ``technical`` are factors on biology and technical effects; ``rich`` is the range of the active share
    on the rich half of the plate maps; ``controls`` and ``actives`` are factors on the number of controls and on the
    active share, from the first batch to the last; ``fixed`` puts the same compound in the same well of every plate.
    """

    effect: float = 1.0
    technical: float = 1.0
    rich: tuple[float, float] | None = None
    controls: tuple[float, float] = (1.0, 1.0)
    actives: tuple[float, float] | None = None
    fixed: bool = False

    @property
    def lays_out(self) -> bool:
        return self.fixed or self.rich is not None or self.actives is not None


@dataclass(frozen=True)
class Size:
    """Numbers of a screen: ``plates_in`` each batch, wells and control wells of a plate, plates that carry a
    compound, images of a well, features, share of strongly active compounds."""

    plates_in: tuple[int, ...]
    wells_per_plate: int = 384
    n_controls: int = 64
    replicates: int = 4
    n_sites: int = 2
    n_features: int = 128
    share_active: float = 0.1


SCENARIOS = {
    "balanced": Scenario(),
    "null": Scenario(effect=0.0),
    "phenotype_rich": Scenario(rich=(0.8, 0.95)),
    "confounded": Scenario(effect=1.3, controls=(3.0, 0.3), actives=(0.0, 9.5)),
    "fixed_layout": Scenario(fixed=True),
    "no_batch_effect": Scenario(technical=0.0),
}

SIZES = {
    "tiny": Size((2,) * 3, wells_per_plate=96, n_controls=16, replicates=3, n_sites=1, n_features=40),
    "small": Size((4,) * 5, replicates=5),
    "medium": Size((8,) * 10, n_sites=3, n_features=512),
    # Plates between the nine widest gaps in the plate numbers of Bray et al. 2017; Inception features of two images.
    "bray2017": Size((28, 11, 63, 30, 27, 5, 67, 62, 32, 80), n_sites=6, n_features=4096),
}

WHOLE = ((int, np.integer), 1, np.inf, "a whole number, at least 1")
LIMITS: dict[str, tuple[tuple[type, ...], float, float, str]] = {
    "n_batches": WHOLE,
    "plates_per_batch": WHOLE,
    "wells_per_plate": WHOLE,
    "n_controls": WHOLE,
    "n_sites": WHOLE,
    "n_features": ((int, np.integer), 10, np.inf, "a whole number, at least 10"),
    "share_active": ((int, float), 0, 1, "a number from 0 to 1"),
}


def choose(scenario: str, size: str, numbers: Mapping[str, float | None]) -> tuple[Scenario, Size]:
    """Return the named scenario and size; ``numbers`` that are not None replace those of the size.

    Raises
    ------
    InputError : unknown names, impossible numbers.
    """
    named, preset = _pick("scenario", scenario, SCENARIOS), _pick("size", size, SIZES)
    changes = {name: _number(name, value) for name, value in numbers.items() if value is not None}
    n = int(changes.pop("n_batches", len(preset.plates_in)))
    per_batch = preset.plates_in if (each := changes.pop("plates_per_batch", None)) is None else (int(each),)
    fields: dict[str, Any] = {**changes, "plates_in": tuple(int(p) for p in np.resize(per_batch, n))}
    changed = replace(preset, **fields)
    if not 3 <= changed.n_controls <= changed.wells_per_plate // 2:
        raise InputError(
            f"data.n_controls={changed.n_controls}: expected 3 to {changed.wells_per_plate // 2}, at most half of the "
            f"{changed.wells_per_plate} wells of a plate"
        )
    return named, changed


def lay_out(scenario: Scenario, size: Size, seed: int) -> tuple[RandomLayout, Doubles]:
    """Return a random layout with the scenario's properties, and the share of strong compounds in each plate map."""
    n = len(size.plates_in)
    controls = np.linspace(*scenario.controls, n) * size.n_controls
    active_in = None
    if scenario.actives is not None:
        active_in = tuple((np.linspace(*scenario.actives, n) * size.share_active).clip(max=0.95).tolist())
    layout = RandomLayout(
        seed=seed,
        plates_in=size.plates_in,
        controls_in=tuple(round(k) for k in controls.clip(3, size.wells_per_plate // 2).tolist()),
        n_wells=size.wells_per_plate,
        replicates=size.replicates,
        fixed=scenario.fixed,
        active_in=active_in,
    )
    shares = np.full(layout.n_maps, size.share_active if active_in is None else float(np.mean(active_in)))
    if scenario.rich is not None:
        shares[::2] = stream(seed, "rich").uniform(*scenario.rich, len(shares[::2]))
    return layout, shares


def _pick(what: str, name: str, table: dict[str, T]) -> T:
    if name not in table:
        raise InputError(f"data.{what}={name}: unknown; choose one of {', '.join(table)}")
    return table[name]


def _number(name: str, value: float) -> float:
    kind, low, high, expected = LIMITS[name]
    if isinstance(value, bool) or not isinstance(value, kind) or not low <= value <= high:
        raise InputError(f"data.{name}={value!r}: expected {expected}")
    if name == "wells_per_plate" and value not in SHAPES:
        raise InputError(f"data.{name}={value}: expected one of {', '.join(map(str, SHAPES))}")
    return value
