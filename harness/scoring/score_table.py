"""A tidy table of scores with intervals, from the evaluations of one model. Undefined is not zero: it has a reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from harness.core.arrays import Doubles
from harness.core.evaluation import Evaluation, Split
from harness.core.exceptions import NotApplicable
from harness.core.score_schema import COLUMNS, Over
from harness.metric.base import Metric
from harness.metric.shared.weights import BootstrapWeights
from harness.scoring.bootstrap import Resamples, interval, resample, weighted_mean


def score_table(
    evaluations: Sequence[Evaluation],
    metrics: Sequence[Metric],
    *,
    task: str = "",
    model: str = "",
    n_resamples: int = 500,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the scores of one model on all folds.

    Parameters
    ----------
    evaluations : one per fold.
    n_resamples : bootstrap draws (:mod:`harness.scoring.bootstrap`); 95% percentile intervals.

    Returns
    -------
    scores : columns :data:`harness.core.score_schema.SCHEMA`; one row per metric and fold (``over = fold``,
        interval over its plates), per metric over folds (``over = mean``, interval over batches and plates) and over
        all held-out wells together (``over = pooled``).
    resamples : columns ``task, model, metric, draw, value``: the mean over folds under each draw, for paired
        differences between normalizations.
    """
    folds = weigh(evaluations, draws_of(evaluations, n_resamples=n_resamples))
    scored = [score_metric(metric, folds) for metric in metrics]
    scores = pd.DataFrame([row for one in scored for row in one.rows]).assign(task=task, model=model, group="")[COLUMNS]
    means = {metric.name: one.mean for metric, one in zip(metrics, scored, strict=True)}
    return scores, resamples_table(means, task=task, model=model)


def resamples_table(means: Mapping[str, Doubles], *, task: str, model: str) -> pd.DataFrame:
    """Return the means over folds under each draw, (R,) by name of the metric, as a table with a row per draw."""
    tables = [pd.DataFrame({"metric": name, "draw": np.arange(len(v)), "value": v}) for name, v in means.items()]
    return pd.concat(tables, ignore_index=True).assign(task=task, model=model)


def draws_of(evaluations: Sequence[Evaluation], *, n_resamples: int) -> Resamples:
    """Return resamples of everything that is held out in any of the evaluations."""
    unit = evaluations[0].unit
    held_out = pd.concat([e.wells for e in evaluations], ignore_index=True)
    return resample(held_out, n=n_resamples, seed=evaluations[0].seed, unit=unit)


@dataclass(frozen=True)
class Folds:
    """The folds of one label with their resamples, shared by all metrics.

    Attributes
    ----------
    weights : of the wells of each fold; ``above`` (R, n_folds) of the folds themselves.
    together : everything held out; ``whole`` its weights.
    declined : reasons of folds without an evaluation, by name.
    """

    evaluations: Sequence[Evaluation]
    weights: Sequence[BootstrapWeights]
    above: Doubles
    together: Evaluation
    whole: BootstrapWeights
    declined: Mapping[str, str]


def weigh(evaluations: Sequence[Evaluation], draws: Resamples, declined: Mapping[str, str] | None = None) -> Folds:
    """Return ``evaluations`` with their weights under ``draws``; ``declined``: the reasons of folds without one."""
    weights, above = zip(*(draws.weights_of(e) for e in evaluations), strict=True)
    together = _pool(evaluations)
    return Folds(evaluations, weights, np.column_stack(above), together, draws.weights_of(together)[0], declined or {})


@dataclass(frozen=True)
class Scored:
    """One metric of one label: ``rows`` of the table (folds, their mean, all pooled), and its value under each draw.

    ``by_fold`` (R, n_folds), ``mean`` (R,), ``pooled`` (R,).
    """

    rows: list[dict[str, Any]]
    by_fold: Doubles
    mean: Doubles
    pooled: Doubles


def score_metric(metric: Metric, folds: Folds) -> Scored:
    """Return the values of ``metric`` with intervals."""
    pairs = zip(folds.evaluations, folds.weights, strict=True)
    by_fold = np.column_stack([metric.values(e, w) for e, w in pairs])
    rows = [_row(metric, e, by_fold[:, i], e.split.name) for i, e in enumerate(folds.evaluations)]
    rows += [undefined_row(metric, reason, over=Over.FOLD, fold=fold) for fold, reason in folds.declined.items()]
    mean, pooled = weighted_mean(by_fold, folds.above), metric.values(folds.together, folds.whole)
    alone = _alone(folds.evaluations[0]) if len(rows) == 1 else ""
    rows += [_mean_row(metric, rows, mean, alone), _row(metric, folds.together, pooled, "", Over.POOLED)]
    return Scored(rows, by_fold, mean, pooled)


def undefined_row(metric: Metric, reason: str, *, over: str, fold: str = "") -> dict[str, Any]:
    """Return the row of an undefined score."""
    row = {"metric": metric.name, "over": over, "fold": fold, "n": 0, "reason": reason}
    return {**row, "value": np.nan, "lower": np.nan, "upper": np.nan}


def _pool(evaluations: Sequence[Evaluation]) -> Evaluation:
    """Return all held-out wells as one evaluation; scores are compared with each fold's own threshold."""
    n = sum(len(e.y) for e in evaluations)
    everything = np.ones(n, dtype=bool)
    return Evaluation(
        y=np.concatenate([e.y for e in evaluations]),
        score=np.concatenate([e.score for e in evaluations]),
        threshold=np.concatenate([np.broadcast_to(e.threshold, len(e.y)) for e in evaluations]),
        wells=pd.concat([e.wells for e in evaluations], ignore_index=True),
        split=Split("pooled", ~everything, everything),
        seed=evaluations[0].seed,
        group=evaluations[0].group,
        unit=evaluations[0].unit,
    )


def _row(metric: Metric, e: Evaluation, resampled: Doubles, fold: str, over: str = Over.FOLD) -> dict[str, Any]:
    row: dict[str, Any] = {"metric": metric.name, "over": over, "fold": fold, "n": len(e.y)}
    try:
        row["value"] = metric(e)
    except NotApplicable as undefined:
        return {**row, "value": np.nan, "lower": np.nan, "upper": np.nan, "reason": undefined.reason}
    alone = _alone(e)
    row["lower"], row["upper"] = (np.nan, np.nan) if alone else interval(resampled)
    return {**row, "reason": why_none(row["lower"], alone=alone)}


def _mean_row(metric: Metric, folds: list[dict[str, Any]], resampled: Doubles, alone: str) -> dict[str, Any]:
    values = [row["value"] for row in folds if not np.isnan(row["value"])]
    row = {"metric": metric.name, "over": Over.MEAN, "fold": "", "n": sum(row["n"] for row in folds)}
    if not values:
        return {**row, "value": np.nan, "lower": np.nan, "upper": np.nan, "reason": folds[0]["reason"]}
    lower, upper = (np.nan, np.nan) if alone else interval(resampled)
    absent = len(folds) - len(values)
    missing = f"undefined in {absent} of {len(folds)} folds" if absent else ""
    reason = "; ".join(filter(None, [missing, why_none(lower, alone=alone)]))
    return {**row, "value": float(np.mean(values)), "lower": lower, "upper": upper, "reason": reason}


def _alone(e: Evaluation) -> str:
    """Return why an evaluation of a single plate (or compound) has no interval; empty if it has several."""
    return f"no interval: 1 {e.unit}" if len(set(e.wells[e.unit])) == 1 else ""


def why_none(lower: float, *, alone: str = "") -> str:
    """Return why a value has no interval; empty if it has one."""
    if not np.isnan(lower):
        return ""
    return alone or "no interval: most resamples are undefined"


def predictions(evaluations: Sequence[Evaluation]) -> Iterator[pd.DataFrame]:
    """Yield one table per evaluation: ``fold, plate, well, y, score, threshold``; of compounds ``group, compound`` too.

    ``plate`` and ``well`` of a compound are those of its first well.
    """
    for e in evaluations:
        columns = ["plate", "well"] if e.unit == "plate" else ["plate", "well", e.unit]
        table = e.wells[columns].assign(fold=e.split.name, y=e.y, score=e.score, threshold=e.threshold)
        yield table.assign(group=e.group) if e.group else table
