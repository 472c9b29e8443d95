"""Tables of scores, resamples and predictions of a run, of every task and model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from harness.core import table_names
from harness.core.evaluation import Evaluation
from harness.core.score_schema import COLUMNS, Over
from harness.core.task import Task, grouped
from harness.metric.base import Metric
from harness.scoring.score_table import predictions, score_table
from harness.scoring.score_table_multilabel import score_groups

Pair = tuple[str, str]  # names of task and model


def score_run(
    tasks: Mapping[str, Task],
    evaluations: Mapping[Pair, Sequence[Evaluation]],
    metrics: Sequence[Metric],
    *,
    declined: Mapping[Pair, str],
    undefined: Mapping[Pair, Mapping[str, Mapping[str, str]]],
    n_resamples: int,
) -> dict[str, pd.DataFrame]:
    """Return tables ``scores``, ``resamples`` and ``predictions``.

    Parameters
    ----------
    declined : why a model has no meaning for a task; it has a row per metric with that reason.
    undefined : why single groups of a task have no evaluation, fold -> group -> reason.

    Raises
    ------
    InputError : no group of a task could be evaluated.
    """
    tables, resamples, predicted = [], [], []
    for (task, model), of_pair in evaluations.items():
        if grouped(tasks[task]):
            reasons = undefined.get((task, model), {})
            answer = score_groups(of_pair, metrics, declined=reasons, task=task, model=model, n_resamples=n_resamples)
        else:
            answer = score_table(of_pair, metrics, task=task, model=model, n_resamples=n_resamples)
        tables.append(answer[0])
        resamples.append(answer[1])
        predicted += [table.assign(task=task, model=model) for table in predictions(of_pair)]
    for (task, model), reason in declined.items():
        none = pd.DataFrame({"metric": [m.name for m in metrics], "over": Over.MEAN, "reason": reason})
        tables.append(none.assign(task=task, model=model, group="", n=0).reindex(columns=COLUMNS))
    rows = pd.concat(predicted, ignore_index=True)
    if "group" in rows:
        rows["group"] = rows["group"].fillna("")
    scores = pd.concat([table.astype({"value": float, "lower": float, "upper": float}) for table in tables])
    return {
        table_names.SCORES: scores,
        table_names.RESAMPLES: pd.concat(resamples, ignore_index=True),
        table_names.PREDICTIONS: rows,
    }
