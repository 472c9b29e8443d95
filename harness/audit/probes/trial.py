"""Accuracy of the probes on one set of wells, and its null under permuted batches."""

from __future__ import annotations

from collections.abc import Mapping

from harness.audit.probes.excess import Accuracy, ProbeExcess, accuracy, excess
from harness.audit.probes.panel import ProbePanel, prepare_panel
from harness.audit.probes.partitions import Codes
from harness.audit.probes.wells import ProbedWells, Screens
from harness.core.arrays import Doubles


class ProbeTrial:
    """Accuracy of every probe on a set of wells, and a null that grows with each permutation of the batches.

    Attributes
    ----------
    wells : whose batch is predicted. panel : the probes prepared for them.
    observed : accuracies by probe. null : for each permutation the accuracies by probe.
    """

    def __init__(self, wells: ProbedWells, screens: Screens, *, pooled: bool, n_folds: int, seed: int) -> None:
        self.wells, self.pooled, self.n_folds, self.seed = wells, pooled, n_folds, seed
        self.panel = self._panel(screens)
        self.observed = self._accuracies(self.panel.correct(wells.batch), wells.batch)
        self.null: list[Mapping[str, float]] = []

    def permute(self, batch: Codes, screens: Screens | None) -> None:
        """Add a permutation: ``batch`` (Q,) of each plate, ``screens`` normalized in it, None if they stay the same."""
        prepared = self.panel if screens is None else self._panel(screens)
        accuracies = self._accuracies(prepared.correct(batch), batch)
        self.null.append({name: result.value for name, result in accuracies.items()})

    def excess(self) -> ProbeExcess:
        """Return the excess over the permutations so far."""
        return excess(self.observed, self.null, self.chance)

    @property
    def chance(self) -> float:
        """Balanced accuracy of guessing."""
        return float(1 / (1 + self.wells.batch.max()))

    def is_settled(self, limit: float) -> bool:
        """Return whether more permutations are of no use.

        They are not if the interval of the excess lies on one side of ``limit`` (and, if above, beyond the null), or if
        it would still contain ``limit`` if the null's mean had no error.
        """
        excess_so_far = self.excess()
        below = excess_so_far.upper < limit
        above = excess_so_far.lower > limit and excess_so_far.value > excess_so_far.null_upper
        hopeless = excess_so_far.least_lower < limit < excess_so_far.least_upper
        return below or above or hopeless

    def _panel(self, screens: Screens) -> ProbePanel:
        """Prepare the probes for the wells as they are in ``screens``."""
        X = self.wells.profiles(screens)
        return prepare_panel(self.wells, X, pooled=self.pooled, n_folds=self.n_folds, seed=self.seed)

    def _accuracies(self, correct: Mapping[str, Doubles], batch: Codes) -> dict[str, Accuracy]:
        """Return the accuracy of each probe."""
        return {name: accuracy(mask, self.wells.plate, batch) for name, mask in correct.items()}
