"""Null tests: wells are relabelled so that nothing sets controls and treated wells apart, then scored as in the run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, ClassVar

import numpy as np

from harness.audit.base import AuditContext, Check
from harness.audit.shared.auroc_bootstrap import BootstrappedAuroc, mean_auroc_interval
from harness.audit.shared.bounded_interval import at_level, degrees_of_freedom
from harness.audit.shared.relabelled import Relabelled, models_of, refit_is_costly, score_relabelled
from harness.audit.shared.views import raw_wells
from harness.core.finding import Finding
from harness.core.profiles import Profiles
from harness.core.seeding import derive
from harness.settings.annotated_types import Count, Positive
from harness.settings.limits import Within

Bound = Annotated[float, Within(0, 1)]


class NullTest(Check):
    """Base of null tests: relabel wells so that nothing sets the classes apart, then normalize, train and score.

    ``audit/<test>/<model>/auroc`` is the AUROC on held-out batches of every model of the run, of a neighbour model
    (``neighbours``) and of the length of the profile alone (``row_norm``). The truth is 0.5: an interval above it means
    that the normalization manufactures a difference. Below 0.5 no signal is made. ``n`` counts the wells whose labels
    were dealt at random, over all repeats. Wells are normalized, not sites: sites are aggregated first.

    Parameters
    ----------
    n_repeats : relabellings at most. The value is their mean and the interval that of the mean, over plates and batches
        (the same draws in every repeat). A model is left out of further repeats once its interval is clear. A large
        screen that has to be normalized for every fold is relabelled once.
    clear_below, clear_above : an interval is clear if its upper bound (one-sided, 95%) lies below ``clear_below`` or
        its lower bound above ``clear_above``. A leak is never called clear after a single relabelling.
    """

    name: ClassVar[str]

    def __init__(self, *, n_repeats: Count = 3, clear_below: Bound = 0.6, clear_above: Bound = 0.55) -> None:
        self.n_repeats = n_repeats
        self.clear_below = clear_below
        self.clear_above = clear_above

    def relabel(self, profiles: Profiles, seed: int, repeat: int) -> Relabelled:
        """Return wells under roles that differ at random only, and which of them are scored.

        Raises
        ------
        NotApplicable : a plate has too few wells for that.
        """
        raise NotImplementedError

    def findings(self, context: AuditContext) -> Iterator[Finding]:
        profiles, models = raw_wells(context), models_of(context)
        repeats: dict[str, list[BootstrappedAuroc]] = {name: [] for name in models}
        n_repeats = 1 if refit_is_costly(context, profiles) else self.n_repeats
        for repeat in range(n_repeats):
            unclear = {name: model for name, model in models.items() if not self._is_clear(repeats[name])}
            if not unclear:
                break
            relabelled = self.relabel(profiles, derive(context.seed, self.name, repeat), repeat)
            for name, scored in score_relabelled(context, relabelled, unclear, axis=(self.name, repeat)).items():
                repeats[name].append(scored)
        for name, scores in repeats.items():
            n_labels = sum(len(scored.wells) for scored in scores)
            yield Finding(f"audit/{self.name}/{name}/auroc", *mean_auroc_interval(scores), n=n_labels)

    def _is_clear(self, scores: Sequence[BootstrappedAuroc]) -> bool:
        """Return whether more relabellings of a model are of no use."""
        if not scores:
            return False
        value, lower, upper = mean_auroc_interval(scores)
        freedom = degrees_of_freedom(scores[0].wells)
        one_sided = at_level(value, lower, upper, freedom=freedom, level=0.9)[1]
        return one_sided < self.clear_below or (lower > self.clear_above and len(scores) > 1)


class SampledNullTest(NullTest):
    """Base of null tests that score a random sample of the treated wells.

    Parameters
    ----------
    tested : treated wells that are scored, per control of the relabelled plate. The others are normalized with them and
        do not take part in training and scoring.
    """

    def __init__(
        self, *, n_repeats: Count = 3, clear_below: Bound = 0.6, clear_above: Bound = 0.55, tested: Positive = 1.5
    ) -> None:
        super().__init__(n_repeats=n_repeats, clear_below=clear_below, clear_above=clear_above)
        self.tested = tested

    def n_tested(self, n_controls: int) -> int:
        """Return how many treated wells are scored on a plate with ``n_controls`` controls."""
        return int(np.ceil(n_controls * self.tested))
