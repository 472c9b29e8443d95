"""The map of a normalization as an interactive page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import numpy as np
import pandas as pd

from harness.data.wells.sampling import sample
from harness.explore.page import explorer_page
from harness.explore.points import View
from harness.explore.stored import describe_run, with_scores
from harness.figure.shared.project_points import project_points
from harness.figure.umap import Umap
from harness.scoring.score_table import predictions
from harness.settings.annotated_types import Count, Share
from harness.settings.limits import Between

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from harness.figure.base import FigureContext

MAX_POINTS = 1_000_000  # points of a page


class Explorer(Umap):
    """``explorer.html``: the embedding of the figure ``umap``, of more wells, with the models' held-out scores.

    One self-contained file that needs no network: pan, zoom, hover, a window that slides over the plates, colours,
    search by compound, a lasso. ``python -m harness.explore`` puts several stored runs into one page.

    Parameters
    ----------
    max_points : wells that are embedded, a sample spread over plates as for the figure ``umap``. All other control
        and treated wells are placed next to their neighbours in it
        (:func:`harness.figure.shared.project_points.project_points`).
    """

    def __init__(
        self, *, max_points: Count = 10_000, n_neighbors: Annotated[int, Between(2, 1000)] = 15, min_dist: Share = 0.1
    ) -> None:
        super().__init__(max_points=max_points, n_neighbors=n_neighbors, min_dist=min_dist)

    def tables(self, run: FigureContext) -> dict[str, pd.DataFrame]:
        """Return ``explorer``: as ``umap``, with ``placed`` (not embedded) and the scores, ``<task>/<model>``."""
        points = self._add_others(super().tables(run)["umap"], run)
        for (task, model), folds in run.evaluations.items():
            single_label = [e for e in folds if not e.group]
            if single_label:
                points = with_scores(
                    points, pd.concat(predictions(single_label)).assign(task=task, model=model), [(task, model)]
                )
        return {"explorer": points}

    def _add_others(self, embedded: pd.DataFrame, run: FigureContext) -> pd.DataFrame:
        wells, X = run.normalized.wells, run.normalized.X
        rows = sample(wells, max_points=self.max_points, seed=run.seed)
        others = np.setdiff1d(sample(wells, max_points=MAX_POINTS, seed=run.seed), rows)
        embedded = embedded.set_index(rows).assign(placed=False)
        if len(others):
            at = project_points(X[rows], embedded[["umap_1", "umap_2"]].to_numpy(), X[others], seed=run.seed)
            columns = [c for c in embedded if c in wells]
            more = wells.loc[others, columns].assign(umap_1=at[:, 0], umap_2=at[:, 1], placed=True)
            embedded = pd.concat([embedded, more]).sort_index()
        return embedded.reset_index(drop=True)

    def draw(self, tables: dict[str, pd.DataFrame], run: FigureContext) -> dict[str, Figure]:  # noqa: ARG002
        """Return no picture: see :meth:`pages`."""
        return {}

    def pages(self, tables: dict[str, pd.DataFrame], run: FigureContext) -> dict[str, str]:
        """Return ``explorer``."""
        points = tables["explorer"]
        about = describe_run(run.norm, {"scope": run.scope, "data": run.data, "split": run.split})
        if n_placed := int(points["placed"].sum()):
            about += f" · {n_placed:,} of {len(points):,} wells placed by their neighbours"
        view = View(name=run.norm, note=about, points=points.drop(columns="placed"))
        return {"explorer": explorer_page([view], title=f"Map of wells: {run.data}")}
