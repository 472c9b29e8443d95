"""The comparison as a table: one row per run, differences to raw paired by resample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd

from harness.bootstrap import interval
from harness.compare.statistics import two_sided, with_corrected
from harness.labels.base import LABELS
from harness.types import Doubles, InputError

HEADLINE = ("auroc", "balanced_accuracy")
PROBE = "batch_effect/probe_balanced_accuracy"
CONTRAST = "audit/spike_in/matched/contrast"
REFERENCE = "raw"
BASELINE = "/best_baseline"


class StoredRun(Protocol):
    """What a comparison reads of a run (:class:`harness.track.Record`)."""

    @property
    def name(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def tags(self) -> Mapping[str, str]: ...
    @property
    def params(self) -> Mapping[str, str]: ...
    @property
    def metrics(self) -> Mapping[str, float]: ...
    def table(self, name: str) -> pd.DataFrame: ...
    def file(self, path: str) -> bytes: ...


def group_of(run: StoredRun) -> tuple[str, str]:
    """What must be equal for two runs to stand in one table: fingerprints of data and split."""
    return run.tags.get("data_fingerprint", ""), run.tags.get("split_fingerprint", "")


def latest(runs: Sequence[StoredRun]) -> dict[str, StoredRun]:
    """The newest run of each configuration by label, of those that finished if any did; ``runs`` are newest first.

    Two configurations of one name are told apart by the parameters in which they differ.
    """
    newest: dict[tuple[str, frozenset[tuple[str, str]]], StoredRun] = {}
    for run in sorted(runs, key=lambda run: run.status != "FINISHED"):
        newest.setdefault((run.name, frozenset(_settings(run).items())), run)
    by_name: dict[str, list[StoredRun]] = {}
    for run in newest.values():
        by_name.setdefault(run.name, []).append(run)
    labelled = {}
    for name, same in by_name.items():
        shared = set.intersection(*(set(_settings(run).items()) for run in same))
        for run in same:
            own = _own(run, same, shared)
            labelled[name if len(same) == 1 else f"{name} ({', '.join(f'{k}={v}' for k, v in own)})"] = run
    return labelled


def _own(run: StoredRun, same: Sequence[StoredRun], shared: set[tuple[str, str]]) -> list[tuple[str, str]]:
    """What tells a run from others of its name: members of groups that others chose otherwise, by name, and settings.

    Settings of a member are told only where all chose it, those of a tuner only where the same tuner has others.
    """
    alike = [other for other in same if other.params.get(_TUNER) == run.params.get(_TUNER)]
    chosen = [_members(other) for other in same]
    everywhere = set.intersection(*map(set, chosen))
    groups = {group for members in chosen for group, member in members if (group, member) not in everywhere}
    own = [(g, f"[{','.join(m for group, m in _members(run) if group == g)}]") for g in sorted(groups)]
    for key, value in sorted(set(_settings(run).items()) - shared):
        group, member = (*key.split("."), "")[:2]
        if key == _TUNER:
            own.append(("tuning", value.split(".")[-2]))
        elif (group, member) in _members(run) and (group, member) not in everywhere:
            continue
        elif not key.startswith("tuning.") or any(other.params.get(key) != value for other in alike):
            own.append((key, value))
    return own


def _members(run: StoredRun) -> list[tuple[str, str]]:
    """Pairs (group, member) of the groups that take a list, e.g. ``model`` and ``logistic``; not figures."""
    keys = [key.split(".") for key in _settings(run)]
    return sorted({(key[0], key[1]) for key in keys if len(key) == 3 and key[2] == "_target_"})


_TUNER = "tuning._target_"
_IDLE = ("figure.", "tuning.storage", "tuning.study", "tuning.workers", "tuning.log_trials")


def _settings(run: StoredRun) -> dict[str, str]:
    """Parameters that can change a score: not the figures', nor where and how trials are kept."""
    return {key: value for key, value in run.params.items() if not key.startswith(_IDLE)}


def differing_settings(runs: Mapping[str, StoredRun]) -> dict[str, list[str]]:
    """Parameters outside ``norm.`` whose values differ between runs: key to the values found."""
    keys = {key for run in runs.values() for key in _settings(run) if not key.startswith("norm.")}
    found = {key: sorted({run.params.get(key, "(not set)") for run in runs.values()}) for key in sorted(keys)}
    tuners = len(found.get(_TUNER, [])) > 1  # then all settings of a tuner differ
    return {k: v for k, v in found.items() if len(v) > 1 and (k == _TUNER or not (tuners and k.startswith("tuning.")))}


def comparison(runs: Mapping[str, StoredRun], *, extra: Sequence[str] = ()) -> pd.DataFrame:
    """Runs of one group as a table.

    Parameters
    ----------
    runs : finished runs by label, all with equal fingerprints.
    extra : further metric keys to show.

    Returns
    -------
    DataFrame : one row per run: ``norm, scope, verdict``; per task and model ``<task>/<model>/<metric>`` with
        ``_lower`` and ``_upper`` for AUROC and balanced accuracy, and ``.../auroc_minus_raw`` with its paired interval
        (NaN where no raw run, or one with other resamples, labels or another seed, is there), ``_p`` of the difference
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
    raw = {} if reference is None else _draws(reference)
    rows = [_row(label, run, reference, raw, extra) for label, run in runs.items()]
    return with_corrected(pd.DataFrame(rows))


def _row(
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
            key = f"{task}/{model}/{metric}"
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
    """The highest mean AUROC that was reached without looking at features as a model does, and by what."""
    models, suffix = {model for of, model in models_of(run) if of == task}, f"/{HEADLINE[0]}"
    keys = [key for key in run.metrics if key.startswith(f"{task}/") and key.endswith(suffix) and key.count("/") == 2]
    found = {key.split("/")[1]: run.metrics[key] for key in keys if key.split("/")[1] not in models}
    best = max(found, key=lambda model: found[model], default="")
    return found.get(best, float("nan")), best.removeprefix("baseline_")


def baselines(table: pd.DataFrame) -> dict[str, str]:
    """What the best trivial baseline of each task is called, and its column; the task is named where there are two."""
    columns = [str(column) for column in table if str(column).endswith(BASELINE)]
    several = len(columns) > 1
    return {f"best trivial baseline{f', {c.removesuffix(BASELINE)}' if several else ''}": c for c in columns}


def models_of(run: StoredRun) -> list[tuple[str, str]]:
    """Pairs (task, model) whose per-fold scores were recorded as metrics: the models, not the baselines."""
    suffix = f"/{HEADLINE[0]}_by_fold"
    keys = [key.removesuffix(suffix).split("/", 1) for key in run.metrics if key.endswith(suffix)]
    return sorted((task, model) for task, model in keys)


def _draws(run: StoredRun) -> dict[tuple[str, str], Doubles]:
    """Resampled mean AUROC by task and model, in the order of the draws, (n_resamples,) each."""
    table = run.table("resamples")
    table = table[table["metric"] == HEADLINE[0]].sort_values("draw", kind="stable")
    return {(str(t), str(m)): rows["value"].to_numpy(float) for (t, m), rows in table.groupby(["task", "model"])}


def _differences(run: StoredRun, reference: StoredRun, raw: Mapping[tuple[str, str], Doubles]) -> dict[str, float]:
    """This run's mean AUROC minus raw's, with the interval and p-value of the difference over the same resamples."""
    own, metrics, expected = _draws(run), run.metrics, reference.metrics
    found: dict[str, float] = {}
    for task, model in models_of(run):
        key = f"{task}/{model}/{HEADLINE[0]}"
        labels = [other.tags.get(f"{LABELS}{task}") for other in (run, reference)]
        if key not in expected or (task, model) not in raw or labels[0] != labels[1]:
            continue
        a, b = own[task, model], raw[task, model]
        if len(a) == len(b) and run.params.get("seed") == reference.params.get("seed"):
            name = f"{key}_minus_{REFERENCE}"
            lower, upper = interval(a - b)
            found |= {name: metrics[key] - expected[key], f"{name}_lower": lower, f"{name}_upper": upper}
            found[f"{name}_p"] = float("nan") if run is reference else two_sided(a - b)
    return found
