"""Scores of many labels: of each, and over them. An undefined score is not zero: it has a reason."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from harness.core.arrays import Doubles
from harness.core.evaluation import Evaluation
from harness.core.exceptions import InputError
from harness.core.score_schema import COLUMNS, Over
from harness.metric.base import Metric, ratio
from harness.scoring.bootstrap import interval
from harness.scoring.score_table import draws_of, resamples_table, score_metric, undefined_row, weigh, why_none

QUARTILES = {Over.Q25: 0.25, Over.MEDIAN: 0.5, Over.Q75: 0.75}
# shares that Hofmarcher et al. 2019 report for the same images
ABOVE = {"auroc": {Over.ABOVE_07: 0.7, Over.ABOVE_08: 0.8, Over.ABOVE_09: 0.9}}
NO_INTERVAL = "no interval: resampling itself widens the spread over labels"

OverFold = tuple[str, str]  # over, fold


def score_groups(
    evaluations: Sequence[Evaluation],
    metrics: Sequence[Metric],
    *,
    declined: Mapping[str, Mapping[str, str]] | None = None,
    task: str = "",
    model: str = "",
    n_resamples: int = 500,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the scores of one model on all folds and all groups of a task.

    Parameters
    ----------
    evaluations : of every group and fold that has one.
    declined : why a group has none: fold -> group -> reason.
    n_resamples : bootstrap draws (:mod:`harness.scoring.bootstrap`), the same for all groups; 95% percentile intervals.

    Returns
    -------
    scores : first the rows over groups (``group`` empty, ``n`` counts groups): for each metric the mean over groups by
        fold, of the means over folds and of the pooled values, with intervals; quartiles of the means over folds
        (``over`` is ``q25``, ``median``, ``q75``) and the share of groups above 0.7, 0.8 and 0.9 of AUROC (``over`` is
        ``above_0.7``, ...), without; and ``n_groups``, how many were evaluated in some fold. Then for each group the
        rows of :func:`harness.scoring.score_table.score_table`, where a fold that declined it is NaN with its reason.
    resamples : columns ``task, model, metric, draw, value``: the mean over groups of the mean over folds, by draw.

    Raises
    ------
    InputError : no group has an evaluation.
    """
    declined = declined or {}
    groups = list(dict.fromkeys([e.group for e in evaluations] + [g for fold in declined.values() for g in fold]))
    if not evaluations:
        fold, reasons = next((item for item in declined.items() if item[1]), ("", {"": "no folds"}))
        group, reason = next(iter(reasons.items()))
        raise InputError(
            f"{task}, {model}: none of {len(groups)} could be trained and scored in any fold, e.g. {group!r} with "
            f"{fold!r} held out: {reason}; use fewer or larger folds"
        )
    draws = draws_of(evaluations, n_resamples=n_resamples)
    of_group: dict[str, list[Evaluation]] = {group: [] for group in groups}
    for e in evaluations:
        of_group[e.group].append(e)
    rows: list[dict[str, Any]] = []
    means: dict[str, dict[OverFold, _Mean]] = {m.name: defaultdict(lambda: _Mean(n_resamples)) for m in metrics}
    for group, of_label in of_group.items():
        missing = {fold: reasons[group] for fold, reasons in declined.items() if group in reasons}
        rows += _group_rows(group, of_label, missing, draws, metrics, means)
    folds = list(dict.fromkeys([e.split.name for e in evaluations] + list(declined)))
    table = pd.DataFrame(rows)
    over = [
        row for m in metrics for row in _rows_over_labels(m, table[table["metric"] == m.name], means[m.name], folds)
    ]
    evaluated = {"metric": "n_groups", "over": Over.MEAN, "fold": "", "value": sum(map(bool, of_group.values()))}
    over.append({**evaluated, "lower": np.nan, "upper": np.nan, "n": len(groups), "reason": ""})
    summary = pd.DataFrame(over).assign(group="")
    scores = pd.concat([summary, table], ignore_index=True).assign(task=task, model=model)[COLUMNS]
    drawn = {m.name: means[m.name][Over.MEAN, ""].values() for m in metrics}
    return scores, resamples_table(drawn, task=task, model=model)


class _Mean:
    """Mean over groups under each of R draws, one group after another; undefined values are left out."""

    def __init__(self, n: int) -> None:
        self.total = np.zeros(n)
        self.count = np.zeros(n)

    def add(self, values: Doubles) -> None:
        self.total += np.nan_to_num(values)
        self.count += ~np.isnan(values)

    def values(self) -> Doubles:
        return ratio(self.total, self.count)


def _group_rows(
    group: str,
    evaluations: Sequence[Evaluation],
    declined: Mapping[str, str],
    draws: Any,
    metrics: Sequence[Metric],
    means: Mapping[str, dict[OverFold, _Mean]],
) -> list[dict[str, Any]]:
    """Return the rows of one group and add its resamples to ``means``."""
    rows: list[dict[str, Any]] = []
    folds = weigh(evaluations, draws, declined) if evaluations else None
    for metric in metrics:
        if folds is None:
            rows += [undefined_row(metric, why, over=Over.FOLD, fold=fold) for fold, why in declined.items()]
            rows += [
                undefined_row(metric, next(iter(declined.values())), over=over) for over in (Over.MEAN, Over.POOLED)
            ]
            continue
        scored, mean = score_metric(metric, folds), means[metric.name]
        rows += scored.rows
        for e, values in zip(evaluations, scored.by_fold.T, strict=True):
            mean[Over.FOLD, e.split.name].add(values)
        mean[Over.MEAN, ""].add(scored.mean)
        mean[Over.POOLED, ""].add(scored.pooled)
    return [{**row, "group": group} for row in rows]


def _rows_over_labels(
    metric: Metric, table: pd.DataFrame, means: Mapping[OverFold, _Mean], folds: list[str]
) -> list[dict[str, Any]]:
    """Return the rows of one metric over labels, from the rows of its labels in ``table``."""
    rows = []
    for over, fold in [*((Over.FOLD, fold) for fold in folds), (Over.MEAN, ""), (Over.POOLED, "")]:
        labels = table[(table["over"] == over) & (table["fold"] == fold)]
        values = labels["value"].dropna().to_numpy(float)
        if not len(values):
            rows.append(undefined_row(metric, labels["reason"].iloc[0], over=over, fold=fold))
            continue
        lower, upper = interval(means[over, fold].values())
        n_undefined = len(labels) - len(values)
        absent = f"undefined for {n_undefined} of {len(labels)}" if n_undefined else ""
        reason = "; ".join(filter(None, [absent, why_none(lower)]))
        row = {"metric": metric.name, "over": over, "fold": fold, "value": float(values.mean()), "n": len(values)}
        rows.append({**row, "lower": lower, "upper": upper, "reason": reason})
    return rows + _spread_rows(metric, table.loc[table["over"] == Over.MEAN, "value"].dropna().to_numpy(float))


def _spread_rows(metric: Metric, values: Doubles) -> list[dict[str, Any]]:
    """Return the rows that say how the labels' means over folds, (n_labels,), differ."""
    if not len(values):
        return []
    spread = {over: float(np.quantile(values, q)) for over, q in QUARTILES.items()}
    spread |= {over: float((values > limit).mean()) for over, limit in ABOVE.get(metric.name, {}).items()}
    row = {"metric": metric.name, "fold": "", "lower": np.nan, "upper": np.nan, "n": len(values), "reason": NO_INTERVAL}
    return [{**row, "over": over, "value": value} for over, value in spread.items()]
