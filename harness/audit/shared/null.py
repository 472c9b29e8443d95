"""Null tests: wells are relabelled so that nothing sets controls and treated wells apart, then scored as in the run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, ClassVar

import numpy as np

from harness.audit.base import AuditContext, Check
from harness.audit.shared.bounded import at_level, degrees_of_freedom
from harness.audit.shared.relabelled import Relabelled, Scored, mean_interval, models_of, refit_is_costly, score
from harness.audit.shared.views import raw_wells
from harness.core.finding import Finding
from harness.core.profiles import Profiles
from harness.core.seeding import derive
from harness.settings.annotated_types import Count, Positive
from harness.settings.limits import Within

Bound = Annotated[float, Within(0, 1)]


class NullTest(Check):
    """Relabel wells so that controls and treated do not differ, normalize, train and test as the run does.

    The truth is AUROC 0.5 for every model of the run, for a neighbour model (``neighbours``) and for the length of the
    profile alone (``row_norm``). An interval above it means that the normalization manufactures the difference; below
    it no signal is made. Wells, not sites, are normalized: sites are aggregated first. ``n`` counts labels that a coin
    dealt: the scored wells of every repeat.

    Parameters
    ----------
    n_repeats : random relabellings at most; the value is their mean, the interval that of the mean over plates and
        batches (the same draws in every repeat). A model takes no part in a further one if its interval is clear; large
        screens that are normalized anew for every fold have one.
    clear_below, clear_above : an interval is clear if its upper bound (one-sided, 95%) is below the one or its lower
        above the other. A leak is not called clear on one relabelling.
    """

    name: ClassVar[str]

    def __init__(self, *, n_repeats: Count = 3, clear_below: Bound = 0.6, clear_above: Bound = 0.55) -> None:
        self.n_repeats = n_repeats
        self.clear_below = clear_below
        self.clear_above = clear_above

    def relabel(self, profiles: Profiles, seed: int, repeat: int) -> Relabelled:
        """Return wells whose tested ``negcon`` and ``treated`` differ by nothing but a coin.

        Raises
        ------
        NotApplicable : a plate has too few wells for that.
        """
        raise NotImplementedError

    def findings(self, context: AuditContext) -> Iterator[Finding]:
        profiles, models = raw_wells(context), models_of(context)
        repeats: dict[str, list[Scored]] = {name: [] for name in models}
        n_repeats = 1 if refit_is_costly(context, profiles) else self.n_repeats
        for repeat in range(n_repeats):
            open_ = {name: model for name, model in models.items() if not self._clear(repeats[name])}
            if not open_:
                break
            relabelled = self.relabel(profiles, derive(context.seed, self.name, repeat), repeat)
            for name, scored in score(context, relabelled, open_, axis=(self.name, repeat)).items():
                repeats[name].append(scored)
        for name, scores in repeats.items():
            n_dealt = sum(len(scored.wells) for scored in scores)
            yield Finding(f"audit/{self.name}/{name}/auroc", *mean_interval(scores), n=n_dealt)

    def _clear(self, scores: Sequence[Scored]) -> bool:
        if not scores:
            return False
        value, lower, upper = mean_interval(scores)
        freedom = degrees_of_freedom(scores[0].wells)
        one_sided = at_level(value, lower, upper, freedom=freedom, level=0.9)[1]
        return one_sided < self.clear_below or (lower > self.clear_above and len(scores) > 1)


class SampledNullTest(NullTest):
    """Base of null tests that score a random sample of the treated wells.

    Parameters
    ----------
    tested : treated wells that are scored, per control of the relabelled plate. The others are normalized with them and
        are spared the training.
    """

    def __init__(
        self, *, n_repeats: Count = 3, clear_below: Bound = 0.6, clear_above: Bound = 0.55, tested: Positive = 1.5
    ) -> None:
        super().__init__(n_repeats=n_repeats, clear_below=clear_below, clear_above=clear_above)
        self.tested = tested

    def n_tested(self, n_controls: int) -> int:
        """Return how many treated wells are scored on a plate with ``n_controls`` controls."""
        return int(np.ceil(n_controls * self.tested))
