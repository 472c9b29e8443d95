"""Maps of recorded runs: the table of a figure, with the held-out scores of its wells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from harness.core import table_names
from harness.core.exceptions import InputError
from harness.explore.points import View
from harness.tracking.run_selection import describe_group, is_selected
from harness.tracking.stored_run import StoredRun, group_of, latest, models_of, stored_table

TABLES = ("explorer", "umap")  # of the figures with a map, the one with more wells first


def views_of(runs: Mapping[str, StoredRun]) -> list[View]:
    """Return one view per run with a map, by label, with the scores of its table ``predictions`` if there is one.

    Raises
    ------
    InputError : runs of different data, or none with a map.
    """
    data = {group_of(run)[0]: run.tags.get("data", "") for run in runs.values()}
    if len(data) > 1:
        raise InputError(f"the runs are of {len(data)} data sets {sorted(data.values())}; choose one with --data")
    maps = {label: _points(run) for label, run in runs.items()}
    views = [
        View(name=n, note=describe_run(n, runs[n].tags), points=points)
        for n, points in maps.items()
        if points is not None
    ]
    if not views:
        raise InputError(f"none of {', '.join(runs)} has a map; run again with the figure umap or explorer")
    return views


def with_scores(points: pd.DataFrame, predictions: pd.DataFrame, models: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """Return ``points`` with a column ``<task>/<model>``: the held-out score of the well, NaN if none.

    It is the mean if several folds hold the well out; the sites of a well share its score.
    """
    key = ["plate", "well"]
    for task, model in models:
        of_model = predictions[(predictions["task"] == task) & (predictions["model"] == model)]
        scores = of_model.groupby(key)["score"].mean().rename(f"{task}/{model}")
        points = points.join(scores, on=key)
    return points


def _points(run: StoredRun) -> pd.DataFrame | None:
    points = next((table for name in TABLES if (table := stored_table(run, name)) is not None), None)
    predictions = stored_table(run, table_names.PREDICTIONS)
    if points is None or predictions is None:
        return points
    new_models = [pair for pair in models_of(run) if "/".join(pair) not in points]
    return with_scores(points, predictions, new_models)


def describe_run(label: str, tags: Mapping[str, str]) -> str:
    """Return normalization, scope, data and split of a run in one line."""
    return f"norm {label} ({tags.get('scope', '')}) · data {tags.get('data', '')} · split {tags.get('split', '')}"


def select_runs(
    runs: Mapping[str, StoredRun], *, ids: Sequence[str] = (), data: str | None = None, split: str | None = None
) -> dict[str, StoredRun]:
    """Return finished runs that may stand in one page, by label, oldest first.

    Those are the runs of ``ids``; without ids the newest of each name and configuration.

    Parameters
    ----------
    runs : by their id, newest first.
    ids : of runs to show, or the starts of their ids.
    data, split : a name, or the start of a fingerprint.

    Raises
    ------
    InputError : an id that no run, or several runs, begin with; no run left; several data sets or splits.
    """
    finished = {key: run for key, run in runs.items() if run.status == "FINISHED" and "data_fingerprint" in run.tags}
    if ids:
        finished = {key: finished[key] for key in [_complete_id(finished, run_id) for run_id in ids]}
    matching = [run for run in finished.values() if is_selected(run, data=data, split=split)]
    if not matching:
        raise InputError("no finished run to explore; record one first, or choose others with --data, --split, --run")
    groups = {group_of(run): describe_group(run) for run in matching}
    if len(groups) > 1:
        choices = "; ".join(groups.values())
        raise InputError(f"runs of different data or splits do not show the same wells; choose one of: {choices}")
    return dict(reversed(latest(matching).items()))


def _complete_id(runs: Mapping[str, StoredRun], start: str) -> str:
    matching = [key for key in runs if key.startswith(start)]
    if len(matching) != 1:
        raise InputError(f"--run {start}: {len(matching)} finished runs have an id that starts so; expected one")
    return matching[0]
