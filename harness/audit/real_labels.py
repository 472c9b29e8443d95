"""Control against treated, against raw: does the normalization keep what raw profiles already showed?"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from harness.audit.base import AuditContext, Check, Finding
from harness.bootstrap import interval
from harness.evaluate import evaluate_groups, grouped
from harness.metric.auroc import Auroc
from harness.model.folds import Folds
from harness.norm.normalize import normalize
from harness.norm.raw import Raw
from harness.score import score_table
from harness.score_groups import score_groups


class RealLabels(Check):
    """AUROC of the run's tasks and models, on raw profiles and on the run's, on the same folds and resamples.

    Of a task with many labels: the mean over them.

    The paired difference is the direct evidence of lost biology, and it cannot see all of it: a normalization that
    halves the phenotype of rich plates can raise it. Raw profiles are standardized on training rows by the models.
    """

    reads_evaluations = True

    def findings(self, context: AuditContext) -> Iterator[Finding]:
        raw = normalize(context.profiles, Raw())
        folds = Folds(raw, context.splits)
        for (task, name), own in context.evaluations.items():
            if name not in context.models:
                continue
            trained = partial(evaluate_groups, raw, task=context.tasks[task], model=context.models[name], folds=folds)
            same = [e for fold in context.splits for e in trained(fold, seed=context.seed).evaluations]
            score = score_groups if grouped(context.tasks[task]) else score_table
            (a, drawn_a), (b, drawn_b) = (
                score(evaluations, [Auroc()], n_resamples=context.n_resamples) for evaluations in (own, same)
            )
            key = f"audit/real_labels/{task}/{name}"
            means = [table[(table["over"] == "mean") & (table["metric"] == Auroc.name)].iloc[0] for table in (a, b)]
            for what, mean in zip(("auroc", "raw_auroc"), means, strict=True):
                yield Finding(f"{key}/{what}", mean["value"], mean["lower"], mean["upper"], int(mean["n"]))
            lower, upper = interval(drawn_a["value"].to_numpy() - drawn_b["value"].to_numpy())
            difference = float(means[0]["value"] - means[1]["value"])
            yield Finding(f"{key}/minus_raw", difference, lower, upper, int(means[0]["n"]))
