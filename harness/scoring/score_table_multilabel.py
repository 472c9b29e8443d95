"""Scores of many labels: of each, and over them. Undefined is not zero: the reason is stored."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from harness.core.arrays import Doubles
from harness.core.evaluation import Evaluation
from harness.core.exceptions import InputError
from harness.metric.base import Metric, ratio
from harness.scoring.bootstrap import interval
from harness.scoring.score_table import COLUMNS, draws_of, score_metric, undefined_row, weigh, why_none

QUARTILES = {"q25": 0.25, "median": 0.5, "q75": 0.75}
ABOVE = {"auroc": (0.7, 0.8, 0.9)}  # shares that Hofmarcher et al. 2019 report for the same images
SPREAD = "no interval: resampling itself widens the spread over labels"

Place = tuple[str, str]  # over, fold


def score_groups(
    evaluations: Sequence[Evaluation],
    metrics: Sequence[Metric],
    *,
    declined: Mapping[str, Mapping[str, str]] | None = None,
    task: str = "",
    model: str = "",
    n_resamples: int = 500,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return scores of one model on all folds and all groups of a task.

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
    means: dict[str, dict[Place, _Mean]] = {m.name: defaultdict(lambda: _Mean(n_resamples)) for m in metrics}
    for group, own in of_group.items():
        missing = {fold: reasons[group] for fold, reasons in declined.items() if group in reasons}
        rows += _group_rows(group, own, missing, draws, metrics, means)
    folds = list(dict.fromkeys([e.split.name for e in evaluations] + list(declined)))
    table = pd.DataFrame(rows)
    over = [row for m in metrics for row in _over(m, table[table["metric"] == m.name], means[m.name], folds)]
    evaluated = {"metric": "n_groups", "over": "mean", "fold": "", "value": sum(map(bool, of_group.values()))}
    over.append({**evaluated, "lower": np.nan, "upper": np.nan, "n": len(groups), "reason": ""})
    summary = pd.DataFrame(over).assign(group="")
    scores = pd.concat([summary, table], ignore_index=True).assign(task=task, model=model)[COLUMNS]
    drawn = [
        pd.DataFrame({"metric": m.name, "draw": np.arange(n_resamples), "value": means[m.name]["mean", ""].values()})
        for m in metrics
    ]
    return scores, pd.concat(drawn, ignore_index=True).assign(task=task, model=model)


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
    means: Mapping[str, dict[Place, _Mean]],
) -> list[dict[str, Any]]:
    """Return rows of one group; its resamples are added to ``means``."""
    rows: list[dict[str, Any]] = []
    folds = weigh(evaluations, draws, declined) if evaluations else None
    for metric in metrics:
        if folds is None:
            rows += [undefined_row(metric, reason, over="fold", fold=fold) for fold, reason in declined.items()]
            rows += [undefined_row(metric, next(iter(declined.values())), over=over) for over in ("mean", "pooled")]
            continue
        scored, mean = score_metric(metric, folds), means[metric.name]
        rows += scored.rows
        for e, values in zip(evaluations, scored.by_fold.T, strict=True):
            mean["fold", e.split.name].add(values)
        mean["mean", ""].add(scored.mean)
        mean["pooled", ""].add(scored.pooled)
    return [{**row, "group": group} for row in rows]


def _over(metric: Metric, table: pd.DataFrame, means: Mapping[Place, _Mean], folds: list[str]) -> list[dict[str, Any]]:
    """Return rows over groups of one metric, whose rows of groups are ``table``."""
    rows = []
    for over, fold in [*(("fold", fold) for fold in folds), ("mean", ""), ("pooled", "")]:
        own = table[(table["over"] == over) & (table["fold"] == fold)]
        values = own["value"].dropna().to_numpy(float)
        if not len(values):
            rows.append(undefined_row(metric, own["reason"].iloc[0], over=over, fold=fold))
            continue
        lower, upper = interval(means[over, fold].values())
        absent = f"undefined for {len(own) - len(values)} of {len(own)}" if len(own) > len(values) else ""
        reason = "; ".join(filter(None, [absent, why_none(lower)]))
        row = {"metric": metric.name, "over": over, "fold": fold, "value": float(values.mean()), "n": len(values)}
        rows.append({**row, "lower": lower, "upper": upper, "reason": reason})
    values = table.loc[table["over"] == "mean", "value"].dropna().to_numpy(float)
    if len(values):
        spread = {over: float(np.quantile(values, q)) for over, q in QUARTILES.items()}
        spread |= {f"above_{limit}": float((values > limit).mean()) for limit in ABOVE.get(metric.name, ())}
        row = {"metric": metric.name, "fold": "", "lower": np.nan, "upper": np.nan, "n": len(values), "reason": SPREAD}
        rows += [{**row, "over": over, "value": value} for over, value in spread.items()]
    return rows
