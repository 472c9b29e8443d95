"""The map of a normalization as a page to explore."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from harness.explore import View, page
from harness.explore.stored import note, with_scores
from harness.figure.umap import Umap
from harness.score import predictions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from harness.figure.base import FigureContext


class Explorer(Umap):
    """``explorer.html``: the embedding of the figure ``umap``, of more wells, with the models' held-out scores.

    One self-contained file that needs no network: pan, zoom, hover, a window that slides over the plates, colours,
    search by compound, a lasso. ``python -m harness.explore`` puts several stored runs into one page.

    Parameters
    ----------
    max_points : wells in the map, chosen as for the figure ``umap``; those of one task's label carry its scores.
    """

    def __init__(self, *, max_points: int = 20_000, n_neighbors: int = 15, min_dist: float = 0.1) -> None:
        super().__init__(max_points=max_points, n_neighbors=n_neighbors, min_dist=min_dist)

    def tables(self, run: FigureContext) -> dict[str, pd.DataFrame]:
        """``explorer``: as ``umap``, with a column ``<task>/<model>`` for each of the models' scores."""
        points = super().tables(run)["umap"]
        one_label = {pair: [e for e in folds if not e.group] for pair, folds in run.evaluations.items()}
        for (task, model), folds in one_label.items():
            if folds:
                table = pd.concat(predictions(folds)).assign(task=task, model=model)
                points = with_scores(points, table, [(task, model)])
        return {"explorer": points}

    def draw(self, tables: dict[str, pd.DataFrame], run: FigureContext) -> dict[str, Figure]:  # noqa: ARG002
        """No picture: see :meth:`pages`."""
        return {}

    def pages(self, tables: dict[str, pd.DataFrame], run: FigureContext) -> dict[str, str]:
        """``explorer``."""
        about = note(run.norm, {"scope": run.scope, "data": run.data, "split": run.split})
        view = View(name=run.norm, note=about, points=tables["explorer"])
        return {"explorer": page([view], title=f"Map of wells: {run.data}")}
