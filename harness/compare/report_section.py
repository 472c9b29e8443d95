"""A part of the page, and what several parts read of stored runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from harness.compare import plots
from harness.compare.comparison_group import Group
from harness.compare.html import Html, tag
from harness.core import table_names
from harness.core.score_schema import Over
from harness.scoring.bootstrap import FEWEST_BATCHES
from harness.tracking.stored_run import stored_table


@dataclass(frozen=True)
class Section:
    """One part: ``anchor`` to link to, heading, content."""

    anchor: str
    title: str
    content: Sequence[Html]


def folds(group: Group) -> list[str]:
    """Return names of the held-out folds that some run has scores for."""
    for run in group.finished.values():
        scores = stored_table(run, table_names.SCORES)
        if scores is not None:
            return list(dict.fromkeys(scores.loc[scores["over"] == Over.FOLD, "fold"].astype(str)))
    return []


def counts(group: Group) -> str:
    """Return how many wells, plates and folds the scores rest on, as far as stored; how many runs."""
    known = [f"{len(group.finished):,} finished runs"]
    for run in group.finished.values():
        predicted = stored_table(run, table_names.PREDICTIONS)
        if predicted is not None:
            wells = predicted[["plate", "well"]].drop_duplicates()
            known = [f"{len(wells):,} held-out wells", f"{wells['plate'].nunique():,} plates", *known]
            break
    if held := folds(group):
        known.insert(len(known) - 1, f"{len(held):,} held-out {batches(group)}")
    return " · ".join(known)


def batches(group: Group) -> str:
    return "batches" if group.tags.get("split") == "leave_batch_out" else "folds"


def resampled(group: Group) -> str:
    """Return what the intervals of means rest on."""
    n = int(group.tags.get("held_out_batches", FEWEST_BATCHES))
    assays = any(key.endswith("/n_groups") for run in group.finished.values() for key in run.metrics)
    units = "plates (compounds, for assays)" if assays else "plates"
    if n >= FEWEST_BATCHES:
        return f"{units} within batches, batches above them"
    return f"{units} only: {n} held-out {'batch' if n == 1 else 'batches'} cannot show how much batches vary"


def fold_scores(group: Group, metric: str) -> list[tuple[str, str, pd.DataFrame]]:
    """Return norm, ``<task>/<model>``, and its rows of held-out folds (index) with ``value, lower, upper``."""
    found = []
    for name, run in group.finished.items():
        scores = stored_table(run, table_names.SCORES)
        if scores is None:
            continue
        own = scores[(scores["over"] == Over.FOLD) & (scores["metric"] == metric) & (scores["group"].fillna("") == "")]
        for model in group.models:
            task, _, short = model.partition("/")
            rows = own[(own["task"] == task) & (own["model"] == short)].set_index("fold")
            if len(rows):
                found.append((name, model, rows))
    return found


def chip(verdict: str) -> Html:
    colour, _ = plots.STYLE.get(verdict, plots.OTHER)
    return tag("span", verdict, class_="chip", style=f"color:{colour}") if verdict != "-" else Html("-")
