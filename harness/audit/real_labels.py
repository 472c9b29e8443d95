"""Real labels: the run's own tasks, against raw profiles and against each plate scaled by its controls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd

from harness.audit.base import AuditContext, Check
from harness.audit.shared.bounded_interval import bounded_interval, degrees_of_freedom
from harness.audit.shared.strong_wells import strong_wells
from harness.core.arrays import Doubles
from harness.core.evaluation import Evaluation
from harness.core.exceptions import InputError
from harness.core.finding import Finding
from harness.core.profiles import Profiles
from harness.core.score_schema import Over
from harness.core.task import grouped
from harness.metric.auroc import Auroc
from harness.model.fold_pca import FoldPCA
from harness.norm.dmso_within import DmsoWithin
from harness.norm.engine.normalize import normalize
from harness.norm.raw import Raw
from harness.scoring.bootstrap import interval
from harness.scoring.evaluate import evaluate_groups
from harness.scoring.score_table import score_table
from harness.scoring.score_table_multilabel import score_groups

Score = Callable[..., tuple[pd.DataFrame, pd.DataFrame]]
REFERENCES = {"raw": Raw(), "yardstick": DmsoWithin()}  # both invertible on every plate: had without risk


class RealLabels(Check):
    """Score the run's tasks and models on the run's profiles, on raw ones and on the yardstick's.

    ``audit/real_labels/<task>/<model>/...``: ``auroc``, ``raw_auroc`` and ``yardstick_auroc`` on the same folds and
    resamples, and the paired differences ``minus_raw`` and ``minus_yardstick``; for a task with many labels the mean
    over them. ``strong_wells``: share of treated wells that stand out from nearly all controls, the largest over the
    views (:func:`harness.audit.shared.strong_wells.strong_wells`). The yardstick is ``dmso_within`` and is left out if
    a plate has too few controls for it. Models standardize raw profiles on training rows.

    A difference cannot see every loss of biology: a normalization that halves the phenotype of plates with many active
    wells can raise AUROC. Nor can it tell biology from position if controls stand at positions of their own.
    """

    reads_evaluations = True

    def findings(self, context: AuditContext) -> Iterator[Finding]:
        references = dict(_references(context))
        for (task, model), evaluations in context.evaluations.items():
            if model in context.models:
                views = {"": evaluations} | {
                    name: _trained(context, folds, task, model) for name, folds in references.items()
                }
                yield from _compared(context, views, f"audit/real_labels/{task}/{model}", task)


def _references(context: AuditContext) -> Iterator[tuple[str, FoldPCA]]:
    """Yield raw and yardstick profiles, aggregated as in the run and ready for training."""
    for name, normalizer in REFERENCES.items():
        try:
            profiles = normalize(context.profiles, normalizer, aggregate=context.aggregate)
        except InputError:
            continue
        yield name, FoldPCA(profiles, context.splits)


def _trained(context: AuditContext, folds: FoldPCA, task: str, model: str) -> Sequence[Evaluation]:
    """Return held-out predictions on other profiles; those of the run if the profiles are the same."""
    profiles = folds.profiles
    if _same(context, profiles):
        return context.evaluations[task, model]
    return [
        evaluation
        for split in context.splits
        for evaluation in evaluate_groups(
            profiles, split, context.tasks[task], context.models[model], folds=folds, seed=context.seed
        ).evaluations
    ]


def _same(context: AuditContext, profiles: Profiles) -> bool:
    """Return whether the run's profiles equal ``profiles`` in every fold."""
    return all(np.array_equal(context.normalized(split).X, profiles.X) for split in context.splits)


def _compared(context: AuditContext, views: dict[str, Sequence[Evaluation]], key: str, task: str) -> Iterator[Finding]:
    """Yield the scores of all views and their differences to the run's."""
    score: Score = score_groups if grouped(context.tasks[task]) else score_table
    scores = {name: _auroc(score, evaluations, context) for name, evaluations in views.items()}
    for name, (value, draws, n) in scores.items():
        freedom = degrees_of_freedom(pd.concat([e.wells for e in views[name]]))
        lower, upper = bounded_interval(value, draws, freedom=freedom, n=n)
        yield Finding(f"{key}/{name}_auroc".replace("/_", "/"), value, lower, upper, n)
    value_of_run, draws_of_run, n = scores[""]
    for name in (name for name in scores if name):
        value, draws, _ = scores[name]
        yield Finding(f"{key}/minus_{name}", value_of_run - value, *interval(draws_of_run - draws), n)
    if score is score_table:
        strong = [strong_wells(evaluations, n_resamples=context.n_resamples) for evaluations in views.values()]
        yield Finding(f"{key}/strong_wells", *max(strong, key=lambda s: s[0]), n)


def _auroc(score: Score, evaluations: Sequence[Evaluation], context: AuditContext) -> tuple[float, Doubles, int]:
    """Return the mean AUROC over folds (and labels), its resamples, and the number of wells (or labels)."""
    table, draws = score(evaluations, [Auroc()], n_resamples=context.n_resamples)
    mean = table[(table["over"] == Over.MEAN) & (table["metric"] == Auroc.name)].iloc[0]
    return float(mean["value"]), draws["value"].to_numpy(), int(mean["n"])
