"""Evaluations to a tidy table of scores with intervals. Undefined is not zero: the reason is stored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from harness.bootstrap import interval, resample, weighted_mean
from harness.metric.base import Metric
from harness.types import Doubles, Evaluation, NotApplicable, Split

COLUMNS = ["task", "model", "metric", "over", "fold", "group", "value", "lower", "upper", "n", "reason"]


def score_table(
    evaluations: Sequence[Evaluation],
    metrics: Sequence[Metric],
    *,
    task: str = "",
    model: str = "",
    n_resamples: int = 500,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores of one model on all folds.

    Parameters
    ----------
    evaluations : one per fold.
    n_resamples : bootstrap draws (:mod:`harness.bootstrap`); 95% percentile intervals.

    Returns
    -------
    scores : one row per metric and fold (``over = fold``, interval over its plates), per metric over folds
        (``over = mean``, interval over batches and plates) and over all held-out wells together (``over = pooled``).
        ``n`` is the number of wells; ``value`` is NaN where ``reason`` says why.
    resamples : columns ``task, model, metric, draw, value``: the mean over folds under each draw, for paired
        differences between normalizations.
    """
    held_out = pd.concat([e.wells for e in evaluations], ignore_index=True)
    draws = resample(held_out, n=n_resamples, seed=evaluations[0].seed)
    weights = [draws.of(e) for e in evaluations]
    together = _pool(evaluations)
    whole, _ = draws.of(together)
    rows: list[dict[str, Any]] = []
    drawn: list[pd.DataFrame] = []
    for metric in metrics:
        per_fold = np.column_stack([metric.values(e, w) for e, (w, _) in zip(evaluations, weights, strict=True)])
        fold_weight = np.column_stack([w for _, w in weights])
        fold_rows = [_row(metric, e, per_fold[:, i], e.split.name) for i, e in enumerate(evaluations)]
        mean = weighted_mean(per_fold, fold_weight)
        rows += [*fold_rows, _mean_row(metric, fold_rows, mean)]
        rows.append(_row(metric, together, metric.values(together, whole), "", "pooled"))
        drawn.append(pd.DataFrame({"metric": metric.name, "draw": np.arange(n_resamples), "value": mean}))
    scores = pd.DataFrame(rows).assign(task=task, model=model, group="")[COLUMNS]
    return scores, pd.concat(drawn, ignore_index=True).assign(task=task, model=model)


def _pool(evaluations: Sequence[Evaluation]) -> Evaluation:
    """All held-out wells as one evaluation; scores are compared with each fold's own threshold."""
    n = sum(len(e.y) for e in evaluations)
    everything = np.ones(n, dtype=bool)
    return Evaluation(
        y=np.concatenate([e.y for e in evaluations]),
        score=np.concatenate([e.score for e in evaluations]),
        threshold=np.concatenate([np.broadcast_to(e.threshold, len(e.y)) for e in evaluations]),
        wells=pd.concat([e.wells for e in evaluations], ignore_index=True),
        split=Split("pooled", ~everything, everything),
        seed=evaluations[0].seed,
    )


def _row(metric: Metric, e: Evaluation, resampled: Doubles, fold: str, over: str = "fold") -> dict[str, Any]:
    row: dict[str, Any] = {"metric": metric.name, "over": over, "fold": fold, "n": len(e.y)}
    try:
        row["value"] = metric(e)
    except NotApplicable as undefined:
        return {**row, "value": np.nan, "lower": np.nan, "upper": np.nan, "reason": undefined.reason}
    one_plate = len(set(e.wells["plate"])) == 1
    row["lower"], row["upper"] = (np.nan, np.nan) if one_plate else interval(resampled)
    return {**row, "reason": _why_none(row["lower"], one_plate=one_plate)}


def _mean_row(metric: Metric, folds: list[dict[str, Any]], resampled: Doubles) -> dict[str, Any]:
    values = [row["value"] for row in folds if not np.isnan(row["value"])]
    row = {"metric": metric.name, "over": "mean", "fold": "", "n": sum(row["n"] for row in folds)}
    if not values:
        return {**row, "value": np.nan, "lower": np.nan, "upper": np.nan, "reason": folds[0]["reason"]}
    one_plate = len(folds) == 1 and folds[0]["reason"] == ONE_PLATE
    lower, upper = (np.nan, np.nan) if one_plate else interval(resampled)
    undefined = len(folds) - len(values)
    missing = f"undefined in {undefined} of {len(folds)} folds" if undefined else ""
    reason = "; ".join(filter(None, [missing, _why_none(lower, one_plate=one_plate)]))
    return {**row, "value": float(np.mean(values)), "lower": lower, "upper": upper, "reason": reason}


ONE_PLATE = "no interval: 1 plate"


def _why_none(lower: float, *, one_plate: bool) -> str:
    """Why a value has no interval; empty where it has one."""
    if not np.isnan(lower):
        return ""
    return ONE_PLATE if one_plate else "no interval: most resamples are undefined"


def predictions(evaluations: Sequence[Evaluation]) -> Iterator[pd.DataFrame]:
    """One table per fold: ``fold, plate, well, y, score, threshold``."""
    for e in evaluations:
        yield e.wells[["plate", "well"]].assign(fold=e.split.name, y=e.y, score=e.score, threshold=e.threshold)
