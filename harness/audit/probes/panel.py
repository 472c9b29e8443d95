"""A panel of all probes on one set of wells, for any way to deal its plates into batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.audit.probes.classifiers import ProbePrediction, probes
from harness.audit.probes.partitions import Codes, deal_folds
from harness.audit.probes.reduced_wells import ReducedWells, reduce_wells
from harness.audit.probes.wells import ProbedWells, Screens, unhidden_treated
from harness.core.arrays import Doubles, Floats, Mask
from harness.core.seeding import derive, generator

ALIKE = 0.5  # correlation of treated wells between screens from which on their hidden controls are pooled
MOST_COMPARED = 1500
MOST_DEALS, ENOUGH = 4, 1600  # deals of plates over folds, and predictions that they give


@dataclass(frozen=True)
class ProbePanel:
    """Probes that are prepared for the wells of each block; wells are trained on and tested within their block.

    ``blocks`` : (m,) row numbers of each block. ``reduced`` : what the probes of each block read.
    """

    wells: ProbedWells
    blocks: list[Codes]
    reduced: list[ReducedWells]
    probes: Sequence[Mapping[str, ProbePrediction]]
    n_folds: int
    seed: int

    def correct(self, batch: Codes) -> dict[str, Doubles]:
        """Return for each probe how often each well's batch is predicted with its plate held out, (n,).

        Plates are dealt over folds several times, seeded by ``batch`` (Q,), the batch of each plate.
        """
        deals = [
            deal_folds(batch, self.n_folds, generator(self.seed, "probe folds", i, *batch)) for i in range(self.n_deals)
        ]
        return {name: np.mean([self._correct(name, batch, fold) for fold in deals], axis=0) for name in self.probes[0]}

    @property
    def n_deals(self) -> int:
        """Number of times that plates are dealt over folds: more if there are few wells, which cost little."""
        return max(1, min(MOST_DEALS, ENOUGH // len(self.wells.rows)))

    def _correct(self, name: str, batch: Codes, fold: Codes) -> Mask:
        """Return whether a probe predicts the batch of each well in one deal of plates over folds, (n,)."""
        correct = np.zeros(len(self.wells.rows), dtype=bool)
        for block, prepared in zip(self.blocks, self.probes, strict=True):
            plate = self.wells.plate[block]
            for number in np.unique(fold):
                test = fold == number
                rows = block[test[plate]]
                if len(rows):
                    correct[rows] = prepared[name](batch, test) == batch[self.wells.plate[rows]]
        return correct


def prepare_panel(wells: ProbedWells, X: Floats, *, pooled: bool, n_folds: int, seed: int) -> ProbePanel:
    """Prepare the probes for wells with profiles X (n, n_features), ``pooled`` over all parts or within each."""
    part = np.zeros_like(wells.part) if pooled else wells.part
    blocks = [np.flatnonzero(part == number) for number in np.unique(part)]
    reduced_blocks = [
        reduce_wells(X[block], wells.plate[block], wells.group[block], len(wells.batch)) for block in blocks
    ]
    prepared = [probes(reduced, derive(seed, "trees")) for reduced in reduced_blocks]
    return ProbePanel(wells, blocks, reduced_blocks, prepared, n_folds, seed)


def screens_agree(screens: Screens) -> bool:
    """Return whether screens give treated wells about the same profiles, so that their hidden controls can be pooled.

    Which controls are hidden changes the reference of a plate a little; over pooled wells this error points both ways
    and is no property of the plate. A method that finds other axes each time gives other profiles; wells of different
    screens then cannot be compared.
    """
    mask = np.logical_and.reduce([unhidden_treated(screen.wells) for screen in screens])
    rows = np.flatnonzero(mask)
    rows = rows[:: max(1, len(rows) // MOST_COMPARED)]
    if len(screens) < 2 or len(rows) < 2:
        return True
    first, *others = [_standardized(screen.X[rows]) for screen in screens]
    return all(
        float((first * other).sum()) >= ALIKE * float(np.sqrt(np.square(first).sum() * np.square(other).sum()))
        for other in others
    )


def _standardized(X: Floats) -> Floats:
    """Return features centred and in units of their sd, cut at 10."""
    Z = X - X.mean(axis=0)
    sd = Z.std(axis=0)
    Z /= np.where(sd > 0, sd, np.inf)
    return np.asarray(np.clip(Z, -10, 10))
