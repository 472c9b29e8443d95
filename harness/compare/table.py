"""The comparison as a table: one row per run, differences to raw paired by resample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from harness.compare.p_values import add_corrected_p_values, two_sided_p_value
from harness.core import table_names
from harness.core.arrays import Doubles
from harness.core.exceptions import InputError
from harness.core.score_schema import metric_key
from harness.scoring.bootstrap import interval
from harness.task.labels.base import LABELS
from harness.tracking.stored_run import HEADLINE, TUNER, StoredRun, group_of, models_of, score_settings

PROBE = "batch_effect/probe_balanced_accuracy"
CONTRAST = "audit/spike_in/matched/contrast"
REFERENCE = "raw"
BASELINE = "/best_baseline"


def differing_settings(runs: Mapping[str, StoredRun]) -> dict[str, list[str]]:
    """Return parameters outside ``norm.`` whose values differ between runs: the values by key."""
    keys = {key for run in runs.values() for key in score_settings(run) if not key.startswith("norm.")}
    values_by_key = {key: sorted({run.params.get(key, "(not set)") for run in runs.values()}) for key in sorted(keys)}
    tuners = len(values_by_key.get(TUNER, [])) > 1  # then all settings of a tuner differ
    return {
        k: v
        for k, v in values_by_key.items()
        if len(v) > 1 and (k == TUNER or not (tuners and k.startswith("tuning.")))
    }


def comparison_table(runs: Mapping[str, StoredRun], *, extra: Sequence[str] = ()) -> pd.DataFrame:
    """Return runs of one group as a table.

    Parameters
    ----------
    runs : finished runs by label, all with equal fingerprints.
    extra : further metric keys to show.

    Returns
    -------
    DataFrame : one row per run: ``norm, scope, verdict``; per task and model ``<task>/<model>/<metric>`` with
        ``_lower`` and ``_upper`` for AUROC and balanced accuracy, and ``.../auroc_minus_raw`` with its paired interval
        (NaN without a raw run of the same resamples, labels and seed), ``_p`` of the difference
        and ``_p_holm``, corrected for the runs compared; the best trivial baseline of each
        task (``<task>/best_baseline``, ``_is``); the batch probe and its null mean; the contrast of the matched
        spike-in; ``extra``.

    Raises
    ------
    InputError : runs of different data or splits.
    """
    groups = {group_of(run) for run in runs.values()}
    if len(groups) > 1:
        raise InputError(f"{len(groups)} different data or splits; only runs on the same held-out wells compare")
    reference = next((run for run in runs.values() if run.name == REFERENCE), None)
    raw = {} if reference is None else _auroc_draws(reference)
    rows = [_comparison_row(label, run, reference, raw, extra) for label, run in runs.items()]
    return add_corrected_p_values(pd.DataFrame(rows))


def _comparison_row(
    label: str,
    run: StoredRun,
    reference: StoredRun | None,
    raw: Mapping[tuple[str, str], Doubles],
    extra: Sequence[str],
) -> dict[str, Any]:
    tags = run.tags
    row: dict[str, Any] = {"norm": label, "scope": tags.get("scope", ""), "verdict": tags.get("verdict", "-")}
    metrics = run.metrics
    for task, model in models_of(run):
        for metric in HEADLINE:
            key = metric_key(task, model, metric)
            row |= {k: metrics.get(k, np.nan) for k in (key, f"{key}_lower", f"{key}_upper")}
    if reference is not None:
        row |= _differences(run, reference, raw)
    for task in dict.fromkeys(task for task, _ in models_of(run)):
        row[f"{task}{BASELINE}"], row[f"{task}{BASELINE}_is"] = _best_baseline(run, task)
    spans = [key + suffix for key in (CONTRAST, *extra) for suffix in ("", "_lower", "_upper")]
    for key in (PROBE, f"{PROBE}_null_mean", *spans):
        row[key] = metrics.get(key, np.nan)
    return row


def _best_baseline(run: StoredRun, task: str) -> tuple[float, str]:
    """Return the highest mean AUROC of the trivial baselines of a task, and the name of that baseline."""
    models, suffix = {model for of, model in models_of(run) if of == task}, f"/{HEADLINE[0]}"
    keys = [key for key in run.metrics if key.startswith(f"{task}/") and key.endswith(suffix) and key.count("/") == 2]
    auroc_by_baseline = {key.split("/")[1]: run.metrics[key] for key in keys if key.split("/")[1] not in models}
    best = max(auroc_by_baseline, key=lambda model: auroc_by_baseline[model], default="")
    return auroc_by_baseline.get(best, float("nan")), best.removeprefix("baseline_")


def baseline_columns(table: pd.DataFrame) -> dict[str, str]:
    """Return the column of the best trivial baseline of each task by heading, which names the task if there are two."""
    columns = [str(column) for column in table if str(column).endswith(BASELINE)]
    several = len(columns) > 1
    return {f"best trivial baseline{f', {c.removesuffix(BASELINE)}' if several else ''}": c for c in columns}


def _auroc_draws(run: StoredRun) -> dict[tuple[str, str], Doubles]:
    """Return resampled mean AUROC by task and model, in the order of the draws, (n_resamples,) each."""
    table = run.table(table_names.RESAMPLES)
    table = table[table["metric"] == HEADLINE[0]].sort_values("draw", kind="stable")
    return {(str(t), str(m)): rows["value"].to_numpy(float) for (t, m), rows in table.groupby(["task", "model"])}


def _differences(run: StoredRun, reference: StoredRun, raw: Mapping[tuple[str, str], Doubles]) -> dict[str, float]:
    """Return this run's mean AUROC minus raw's, with interval and p-value of the difference over the same resamples."""
    draws, metrics, expected = _auroc_draws(run), run.metrics, reference.metrics
    differences: dict[str, float] = {}
    for task, model in models_of(run):
        key = metric_key(task, model, HEADLINE[0])
        labels = [other.tags.get(f"{LABELS}{task}") for other in (run, reference)]
        if key not in expected or (task, model) not in raw or labels[0] != labels[1]:
            continue
        a, b = draws[task, model], raw[task, model]
        if len(a) == len(b) and run.params.get("seed") == reference.params.get("seed"):
            name = f"{key}_minus_{REFERENCE}"
            lower, upper = interval(a - b)
            differences |= {name: metrics[key] - expected[key], f"{name}_lower": lower, f"{name}_upper": upper}
            differences[f"{name}_p"] = float("nan") if run is reference else two_sided_p_value(a - b)
    return differences
