"""Controls against controls: can the models tell wells apart that hold nothing but DMSO?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from harness.aggregate import well_table
from harness.audit.base import AuditContext, Check, Finding
from harness.audit.relabel import hide_controls
from harness.baseline.row_norm import RowNorm
from harness.bootstrap import interval
from harness.evaluate import evaluate
from harness.metric.auroc import Auroc
from harness.score import score_table
from harness.seeding import derive
from harness.task.dmso_vs_treated import DmsoVsTreated
from harness.types import Evaluation, InputError, NotApplicable, Profiles


class ControlsVsControls(Check):
    """Relabel a random half of each plate's controls as treated, keep controls only, normalize, train, test.

    The truth is AUROC 0.5. Above it the normalization manufactures the difference: controls that take part in their
    own reference lie closer to it than wells that do not. Reported for every model of the run and for the row norm.

    Parameters
    ----------
    n_repeats : random relabellings; the value is their mean. Interval: bootstrap of plates and batches, pooled over
        repeats (so it holds the variation between repeats too).
    share : of the controls that are relabelled.
    """

    def __init__(self, *, n_repeats: int = 1, share: float = 0.5) -> None:
        self.n_repeats = n_repeats
        self.share = share

    def findings(self, context: AuditContext) -> Iterator[Finding]:
        models = {**context.models, "row_norm": RowNorm()}
        values: dict[str, list[float]] = {name: [] for name in models}
        draws: dict[str, list[Any]] = {name: [] for name in models}
        n = 0
        for repeat in range(self.n_repeats):
            seed = derive(context.seed, "controls vs controls", repeat)
            only = hide_controls(_controls(context.profiles), share=self.share, seed=seed)
            for name, evaluations in self._evaluations(context, only, models).items():
                scores, resamples = score_table(evaluations, [Auroc()], n_resamples=context.n_resamples)
                mean = scores[scores["over"] == "mean"].iloc[0]
                values[name].append(float(mean["value"]))
                draws[name].append(resamples["value"].to_numpy())
                n = int(mean["n"])
        for name, value in values.items():
            lower, upper = interval(np.concatenate(draws[name]))
            yield Finding(f"audit/controls_vs_controls/{name}/auroc", float(np.mean(value)), lower, upper, n)

    def _evaluations(
        self, context: AuditContext, only: Profiles, models: dict[str, Any]
    ) -> dict[str, Sequence[Evaluation]]:
        found: dict[str, list[Evaluation]] = {name: [] for name in models}
        task = DmsoVsTreated()
        normalized = context.normalize(only)
        try:
            for split in context.splitter.split(well_table(only.wells)):
                for name, model in models.items():
                    found[name].append(evaluate(normalized(split), split, task, model, seed=context.seed))
        except InputError as reason:
            raise NotApplicable(f"with half of the controls hidden: {reason}") from reason
        return dict(found)


def _controls(profiles: Profiles) -> Profiles:
    return profiles.take((profiles.wells["role"] == "negcon").to_numpy())
