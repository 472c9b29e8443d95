"""Trivial rise: does the length of the profile tell controls from treated wells better than before normalization?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from harness.audit.base import AuditContext, BySplit, Check
from harness.audit.shared.auroc_bootstrap import BootstrappedAuroc, bootstrap_auroc, mean_auroc_interval, resample_units
from harness.audit.shared.bounded_interval import degrees_of_freedom, difference_interval
from harness.audit.shared.relabelled import FEWEST_FOLDS, MOST_FOLDS, few_folds, refit_is_costly
from harness.audit.shared.views import raw_wells, yardstick_wells
from harness.baseline.row_norm import RowNorm
from harness.core.evaluation import Split
from harness.core.exceptions import InputError, NotApplicable
from harness.core.finding import Finding
from harness.core.profiles import Profiles
from harness.scoring.evaluate import evaluate
from harness.task.dmso_vs_treated import DmsoVsTreated


class TrivialRise(Check):
    """Score the real controls against the treated wells by the length of the profile alone, before and after.

    Controls that take part in their own reference come to lie close to it: they get shorter, whatever the design and
    however few they are. But controls also get shorter than active wells once a batch effect has gone. The rise over
    the yardstick, the better of raw profiles and ``dmso_within``, which is exchangeable, does not contain that part.

    Findings under ``audit/trivial_rise/row_norm``: ``raw_auroc``, ``auroc``, ``rise`` (normalized minus raw),
    ``yardstick_auroc`` and ``rise_over_yardstick``; a rise of 0 means that nothing is made.
    """

    name: ClassVar[str] = "trivial_rise"

    def findings(self, context: AuditContext) -> Iterator[Finding]:
        profiles = raw_wells(context)
        try:
            most = FEWEST_FOLDS if refit_is_costly(context, profiles) else MOST_FOLDS
            splits = few_folds(list(context.splitter.split(profiles.wells)), most)
            scored = _score(context, splits, context.normalize(profiles))
            before = {name: _score(context, splits, _always(view)) for name, view in yardstick_wells(context).items()}
        except InputError as reason:
            raise NotApplicable(str(reason), code="few_controls") from reason
        best = max(before.values(), key=lambda first: first.value)
        key = f"audit/{self.name}/row_norm"
        n = len(scored.wells)
        yield Finding(f"{key}/raw_auroc", *mean_auroc_interval([before["raw"]]), n=n)
        yield Finding(f"{key}/auroc", *mean_auroc_interval([scored]), n=n)
        yield Finding(f"{key}/rise", *_difference(scored, before["raw"]), n=n)
        yield Finding(f"{key}/yardstick_auroc", *mean_auroc_interval([best]), n=n)
        yield Finding(f"{key}/rise_over_yardstick", *_difference(scored, best), n=n)


def _always(profiles: Profiles) -> BySplit:
    """Return profiles that are the same in every fold."""
    return lambda _: profiles


def _score(context: AuditContext, splits: Sequence[Split], normalized: BySplit) -> BootstrappedAuroc:
    """Score normalized profiles by the length of the profile."""
    task, model = DmsoVsTreated(), RowNorm()
    folds = [evaluate(normalized(split), split, task, model, seed=context.seed) for split in splits]
    return bootstrap_auroc(folds, resample_units(folds, context.n_resamples))


def _difference(first: BootstrappedAuroc, second: BootstrappedAuroc) -> tuple[float, float, float]:
    """Return the paired difference of two AUROCs and its interval."""
    value = first.value - second.value
    freedom = degrees_of_freedom(first.wells)
    return value, *difference_interval(value, first.draws - second.draws, freedom=freedom)
