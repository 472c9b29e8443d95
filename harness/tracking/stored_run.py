"""Stored runs as comparisons read them, and which of them are comparable; imports no MLflow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import pandas as pd

from harness.core.exceptions import InputError
from harness.settings.number_neutral import changes_numbers

HEADLINE = ("auroc", "balanced_accuracy")
TUNER = "tuning._target_"
_CHANGES_NO_SCORE = ("figure.", "tuning.study")  # beside the settings that change no number at all


class StoredRun(Protocol):
    """A stored run, e.g. :class:`harness.tracking.mlflow_run.MlflowRun`."""

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
    """Return the fingerprints of data and split; runs in which they are equal stand in one table."""
    return run.tags.get("data_fingerprint", ""), run.tags.get("split_fingerprint", "")


def latest(runs: Sequence[StoredRun]) -> dict[str, StoredRun]:
    """Return the newest run of each configuration by label, of those that finished if any did; ``runs`` are newest
    first.

    If several configurations have one name, their labels list the parameters in which they differ.
    """
    newest: dict[tuple[str, frozenset[tuple[str, str]]], StoredRun] = {}
    for run in sorted(runs, key=lambda run: run.status != "FINISHED"):
        newest.setdefault((run.name, frozenset(score_settings(run).items())), run)
    by_name: dict[str, list[StoredRun]] = {}
    for run in newest.values():
        by_name.setdefault(run.name, []).append(run)
    labelled = {}
    for name, same in by_name.items():
        shared = set.intersection(*(set(score_settings(run).items()) for run in same))
        for run in same:
            differences = ", ".join(f"{k}={v}" for k, v in _differences(run, same, shared))
            labelled[name if len(same) == 1 else f"{name} ({differences})"] = run
    return labelled


def _differences(run: StoredRun, same: Sequence[StoredRun], shared: set[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the members and settings in which a run differs from others of its name.

    Settings of a member are listed only if all runs have it, those of a tuner only if runs of the same tuner differ.
    """
    alike = [other for other in same if other.params.get(TUNER) == run.params.get(TUNER)]
    members_of_all = [_members(other) for other in same]
    everywhere = set.intersection(*map(set, members_of_all))
    groups = {group for members in members_of_all for group, member in members if (group, member) not in everywhere}
    differences = [(g, f"[{','.join(m for group, m in _members(run) if group == g)}]") for g in sorted(groups)]
    for key, value in sorted(set(score_settings(run).items()) - shared):
        group, member = (*key.split("."), "")[:2]
        if key == TUNER:
            differences.append(("tuning", value.split(".")[-2]))
        elif (group, member) in _members(run) and (group, member) not in everywhere:
            continue
        elif not key.startswith("tuning.") or any(other.params.get(key) != value for other in alike):
            differences.append((key, value))
    return differences


def _members(run: StoredRun) -> list[tuple[str, str]]:
    """Return pairs (group, member) of the groups that take a list, e.g. ``model`` and ``logistic``; not figures."""
    keys = [key.split(".") for key in score_settings(run)]
    return sorted({(key[0], key[1]) for key in keys if len(key) == 3 and key[2] == "_target_"})


def score_settings(run: StoredRun) -> dict[str, str]:
    """Return parameters that can change a score: not the figures', nor where and how trials are kept."""
    return {
        key: value
        for key, value in run.params.items()
        if changes_numbers(key) and not key.startswith(_CHANGES_NO_SCORE)
    }


def models_of(run: StoredRun) -> list[tuple[str, str]]:
    """Return pairs (task, model) whose per-fold scores were recorded as metrics: the models, not the baselines."""
    suffix = f"/{HEADLINE[0]}_by_fold"
    keys = [key.removesuffix(suffix).split("/", 1) for key in run.metrics if key.endswith(suffix)]
    return sorted((task, model) for task, model in keys)


def stored_table(run: StoredRun, name: str) -> pd.DataFrame | None:
    """Return a table of a run; None if it was not recorded."""
    try:
        return run.table(name)
    except InputError:
        return None


def stored_file(run: StoredRun, path: str) -> bytes | None:
    """Return an artifact of a run; None if it was not recorded."""
    try:
        return run.file(path)
    except InputError:
        return None
