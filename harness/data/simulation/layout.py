"""Plate layouts of the simulated screen: the batch of each plate and the compound in each well."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from harness.core.arrays import Doubles, Mask

Ints = NDArray[np.int64]
SHAPES = {96: (8, 12), 384: (16, 24), 1536: (32, 48)}  # wells: (rows, columns), ANSI SLAS 4
DOSE = 5.0  # of a treated well; nearly every well of Bray 2017's plate maps says 5 (mmol/l, the stock)


def stream(seed: int, axis: str, index: int = 0) -> np.random.Generator:
    """Return the random generator of one named axis (and one member of it), independent of other axes."""
    return np.random.default_rng([seed, zlib.crc32(axis.encode()), index])


class PlateWells(NamedTuple):
    """Wells of one plate, sorted by row and column; ``compound`` is an index into the library, -1 = control."""

    row: Ints
    column: Ints
    compound: Ints
    dose: Doubles


class Layout(Protocol):
    """Layout of a screen: ``plates`` in order and the ``batch`` index of each (n_plates,), the library
    ``compounds`` and the plate map of each (n_compounds,), ``shape`` (rows, columns) of a plate."""

    plates: list[str]
    batch: Ints
    compounds: list[str]
    maps: Ints
    shape: tuple[int, int]

    def wells(self, plate: int, active: Mask) -> PlateWells:
        """Return the wells of plate number ``plate``; ``active`` (n_compounds,) marks the strong compounds."""
        ...


@dataclass
class RandomLayout:
    """Layout with compounds in random wells, and controls at random, spread evenly over the columns.

    A plate map is a set of compounds; plate p carries map p mod M, M = plates / replicates, so that replicates of a
    compound stand M plates apart, hence in different batches.

    Parameters
    ----------
    seed : of all random choices.
    plates_in : plates of each batch.
    controls_in : control wells on each plate of a batch, per batch.
    n_wells : 96, 384 or 1536.
    replicates : plates that carry a compound.
    fixed : one map and one placement for every plate.
    active_in : share of strong compounds among the treated wells, per batch; None = as they come in the map.
        Compounds repeat on a plate if the map has too few of a kind.
    """

    seed: int
    plates_in: tuple[int, ...]
    controls_in: tuple[int, ...]
    n_wells: int
    replicates: int
    fixed: bool = False
    active_in: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        n_plates = sum(self.plates_in)
        self.shape = SHAPES[self.n_wells]
        self.batch = np.repeat(np.arange(len(self.plates_in)), self.plates_in)
        # Batches stand apart in plate numbers, as in Bray 2017 (24277..26795, ten runs of consecutive numbers).
        self.plates = [str(24277 + p + 235 * b) for p, b in enumerate(self.batch)]
        self.n_maps = 1 if self.fixed else -(-n_plates // self.replicates)
        size = self.n_wells - min(self.controls_in)
        self.maps = np.repeat(np.arange(self.n_maps), size)
        self.compounds = [f"C{i:05d}" for i in range(1, len(self.maps) + 1)]

    def wells(self, plate: int, active: Mask) -> PlateWells:
        rng = stream(self.seed, "layout", 0 if self.fixed else plate)
        rows, columns = self.shape
        # A well's place in a random order of its column, ties between columns at random: any first k wells of this
        # order are spread evenly over the columns.
        rank = rng.permuted(np.tile(np.arange(rows)[:, None], columns), axis=0) + rng.random(columns)
        order = np.argsort(rank, axis=None)
        k = self.controls_in[self.batch[plate]]
        library = np.flatnonzero(self.maps == plate % self.n_maps)
        n = self.n_wells - k
        if self.active_in is None:
            compounds = rng.permutation(library)[:n]
        else:
            n_active = round(self.active_in[self.batch[plate]] * n)
            kinds = ((library[active[library]], n_active), (library[~active[library]], n - n_active))
            dealt = [np.resize(rng.permutation(pool if len(pool) else library), m) for pool, m in kinds]
            compounds = rng.permutation(np.concatenate(dealt))
        compound = np.full(self.n_wells, -1, dtype=np.int64)
        compound[order[k:]] = compounds
        row, column = np.divmod(np.arange(self.n_wells), columns)
        return PlateWells(row + 1, column + 1, compound, np.where(compound < 0, 0.0, DOSE))
