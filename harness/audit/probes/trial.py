"""One set of wells on trial: what its probes tell, and what they tell under permuted batches so far."""

from __future__ import annotations

from collections.abc import Mapping

from harness.audit.probes.excess import Accuracy, ProbeExcess, accuracy, excess
from harness.audit.probes.panel import ProbePanel, prepare_panel
from harness.audit.probes.partitions import Codes
from harness.audit.probes.wells import ProbedWells, Screens
from harness.core.arrays import Doubles


class ProbeTrial:
    """Observed accuracy of every probe, and its null as it grows.

    Attributes
    ----------
    wells, panel : that are told apart, and the probes prepared for them.
    observed : accuracies by probe. null : of each permutation the accuracies by probe.
    """

    def __init__(self, wells: ProbedWells, screens: Screens, *, together: bool, n_folds: int, seed: int) -> None:
        self.wells, self.together, self.n_folds, self.seed = wells, together, n_folds, seed
        self.panel = self._panel(screens)
        self.observed = self._accuracies(self.panel.correct(wells.batch), wells.batch)
        self.null: list[Mapping[str, float]] = []

    def permute(self, batch: Codes, screens: Screens | None) -> None:
        """Add a permutation, batch (Q,) of each plate; ``screens`` normalized for it, None if they stay the same."""
        prepared = self.panel if screens is None else self._panel(screens)
        accuracies = self._accuracies(prepared.correct(batch), batch)
        self.null.append({name: result.value for name, result in accuracies.items()})

    def excess(self) -> ProbeExcess:
        """Return the answer so far."""
        return excess(self.observed, self.null, self.chance)

    @property
    def chance(self) -> float:
        """Balanced accuracy of a guess."""
        return float(1 / (1 + self.wells.batch.max()))

    def settled(self, limit: float) -> bool:
        """Return whether more permutations are of no use.

        That is if the interval of the excess lies on one side of ``limit``, and beyond the null if above; or if it
        would reach over ``limit`` even if the null's mean had no error.
        """
        answer = self.excess()
        below, above = answer.upper < limit, answer.lower > limit and answer.value > answer.null_upper
        hopeless = answer.least_lower < limit < answer.least_upper
        return below or above or hopeless

    def _panel(self, screens: Screens) -> ProbePanel:
        X = self.wells.profiles(screens)
        return prepare_panel(self.wells, X, together=self.together, n_folds=self.n_folds, seed=self.seed)

    def _accuracies(self, correct: Mapping[str, Doubles], batch: Codes) -> dict[str, Accuracy]:
        return {name: accuracy(mask, self.wells.plate, batch) for name, mask in correct.items()}
