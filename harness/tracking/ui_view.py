"""The view of an experiment in MLflow's UI: scores in the run table, figures in the chart view.

The UI stores a shared view as JSON in a tag of the experiment and opens it by a key in the address (as in MLflow 3.17;
a version without such views shows its default table).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

KEY = "scores"
TAG = f"mlflow.sharedViewState.{KEY}"
QUERY = f"viewStateShareKey={KEY}&workflowType=machine_learning"
LONGEST = 5000  # of a tag
METRICS = ("auroc", "balanced_accuracy")
PROBE = "batch_effect/probe_balanced_accuracy"
_LEADING = ("attributes.`Run Name`", "runDateAndNestInfo", "duration")
_PREFIX = '{"harness": '  # of views written by this program
_ROW = 170  # pixels of a row of images


def saved_view(stored: str | None, *, evaluated: Sequence[str], images: Sequence[str]) -> str | None:
    """Return the view as JSON: scores as columns of the run table, images as rows of the chart view.

    Parameters
    ----------
    stored : the view so far; its scores and images stay in it.
    evaluated : ``<task>/<model>`` of every model that was evaluated on folds.
    images : keys of logged images.

    Returns
    -------
    None if the view should stay as it is: a user saved it, or it is too long for a tag.
    """
    previous: dict[str, list[str]] = {"evaluated": [], "images": []}
    if stored is not None:
        if not stored.startswith(_PREFIX):
            return None
        previous = json.loads(stored)["harness"]
    pairs = list(dict.fromkeys([*previous["evaluated"], *evaluated]))
    keys = list(dict.fromkeys([*previous["images"], *images]))
    columns = [f"metrics.`{name}`" for name in [*(f"{pair}/{m}" for m in METRICS for pair in pairs), PROBE]]
    sections = [*(["figures"] if keys else []), *pairs, "batch_effect"]
    view = {
        "harness": {"evaluated": pairs, "images": keys},
        "selectedColumns": ["tags.`scope`", "tags.`split`", *columns],
        "columnOrder": [*_LEADING, *columns],
        "columnWidths": {name: 60 + 7 * len(name) for name in columns},
        "compareRunCharts": _charts(keys),
        "compareRunSections": [_section(name, len(keys)) for name in sections],
        "isAccordionReordered": True,
    }
    text = json.dumps(view)
    return text if len(text) <= LONGEST else None


def _section(name: str, n_images: int) -> dict[str, Any]:
    section = {"uuid": name, "name": name, "display": True, "isReordered": False}
    return section | ({"columns": 1, "cardHeight": _ROW * (1 + n_images)} if name == "figures" else {})


def _charts(keys: Sequence[str]) -> list[dict[str, Any]]:
    """Return one grid of images by runs; mark the single images, which the UI would add, as removed."""
    if not keys:
        return []
    shared = {"type": "IMAGE", "metricSectionId": "figures", "isGenerated": True, "step": 0, "showRunParams": False}
    grid = {**shared, "uuid": "grid", "deleted": False, "imageKeys": list(keys), "displayName": "figures"}
    return [grid, *({**shared, "uuid": key, "deleted": True, "imageKeys": [key]} for key in keys)]
