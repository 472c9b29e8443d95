"""Tests on wells with nothing to find: what every null has in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np

from harness.aggregate import well_table
from harness.audit.base import AuditContext, Check, Finding
from harness.baseline.row_norm import RowNorm
from harness.bootstrap import interval
from harness.evaluate import evaluate
from harness.metric.auroc import Auroc
from harness.model.folds import sharing
from harness.score import score_table
from harness.seeding import derive
from harness.settings.types import Count
from harness.task.dmso_vs_treated import DmsoVsTreated
from harness.types import Evaluation, InputError, NotApplicable, Profiles


class Null(Check):
    """Relabel wells so that controls and treated do not differ, normalize, train and test as the run does.

    The truth is AUROC 0.5 for every model of the run and for the length of the profile alone (``row_norm``). An
    interval that excludes it means that the normalization manufactures the difference.

    Parameters
    ----------
    n_repeats : random relabellings; the value is their mean, the interval the bootstrap of that mean over plates and
        batches (the same draws in every repeat).
    """

    name: ClassVar[str]

    def __init__(self, *, n_repeats: Count = 1) -> None:
        self.n_repeats = n_repeats

    def relabel(self, profiles: Profiles, seed: int) -> Profiles:
        """Profiles whose ``negcon`` and ``treated`` wells differ by nothing but a coin."""
        raise NotImplementedError

    def findings(self, context: AuditContext) -> Iterator[Finding]:
        models = {**context.models, "row_norm": RowNorm()}
        values: dict[str, list[float]] = {name: [] for name in models}
        draws: dict[str, list[Any]] = {name: [] for name in models}
        n = 0
        for repeat in range(self.n_repeats):
            relabelled = self.relabel(context.profiles, derive(context.seed, self.name, repeat))
            for name, evaluations in self._evaluations(context, relabelled, models).items():
                scores, resamples = score_table(evaluations, [Auroc()], n_resamples=context.n_resamples)
                mean = scores[scores["over"] == "mean"].iloc[0]
                values[name].append(float(mean["value"]))
                draws[name].append(resamples["value"].to_numpy())
                n = int(mean["n"])
        for name, value in values.items():
            lower, upper = interval(np.mean(draws[name], axis=0))
            yield Finding(f"audit/{self.name}/{name}/auroc", float(np.mean(value)), lower, upper, n)

    def _evaluations(
        self, context: AuditContext, relabelled: Profiles, models: dict[str, Any]
    ) -> dict[str, Sequence[Evaluation]]:
        found: dict[str, list[Evaluation]] = {name: [] for name in models}
        task = DmsoVsTreated()
        normalized = context.normalize(relabelled)
        # compounds are not kept apart here: relabelled controls would be spared it, and the two classes no longer alike
        wells = well_table(relabelled.wells).assign(compound="")
        try:
            splits = list(context.splitter.split(wells))
            shared = sharing(normalized, splits)
            for split in splits:
                folds = shared(split)
                for name, model in models.items():
                    found[name].append(evaluate(folds.profiles, split, task, model, seed=context.seed, folds=folds))
        except InputError as reason:
            raise NotApplicable(f"after relabelling: {reason}") from reason
        return dict(found)
