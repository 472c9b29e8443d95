"""Similarity of each well to the controls: density on the map, distance in feature space, and the extreme wells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from harness.control_similarity.enrichment import enrichment
from harness.control_similarity.gaussian import Gaussian
from harness.control_similarity.scores import ControlSimilarity
from harness.data.wells.sampling import sample
from harness.figure.base import FigureContext, FigureMember
from harness.figure.shared.control_likeness_panels import FIT, draw_both, draw_distances, draw_map
from harness.figure.umap import Umap
from harness.plotting.style import add_headline, new_figure
from harness.settings.annotated_types import Count, Share
from harness.settings.limits import Between, OneOf

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class ControlLikeness(FigureMember):
    """Two scores of the similarity of each well to the control wells, and the compounds least like controls.

    ``log_density``: natural logarithm of the density, per squared unit of the map, of a Gaussian fitted robustly to the
    controls on the UMAP. Not a posterior: with one component that is 100% for every well, however far away.
    ``mahalanobis``: distance from the controls in their own principal components
    (:mod:`harness.control_similarity.mahalanobis`). No well is scored by a fit that read it: controls are scored by
    fits to the controls of other folds.

    On simulated screens the distance ranks wells by planted strength far better than the density on the map, which
    only a part of a large screen has: it decides the order unless ``rank_by=log_density``.

    Parameters
    ----------
    per, rank_by, n_wells, n_components : see :class:`harness.control_similarity.scores.ControlSimilarity`.
    max_points, n_neighbors, min_dist : of the map (:class:`harness.figure.umap.Umap`).
    """

    def __init__(
        self,
        *,
        per: Annotated[str, OneOf("all", "batch")] = "all",
        rank_by: Annotated[str, OneOf("mahalanobis", "log_density")] = "mahalanobis",
        n_wells: Count = 100,
        n_components: Count = 20,
        max_points: Count = 2500,
        n_neighbors: Annotated[int, Between(2, 1000)] = 15,
        min_dist: Share = 0.1,
    ) -> None:
        self.per = per
        self.rank_by = rank_by
        self.n_wells = n_wells
        self.n_components = n_components
        self.max_points = max_points
        self.n_neighbors = n_neighbors
        self.min_dist = min_dist
        self.likeness = ControlSimilarity(per=per, rank_by=rank_by, n_wells=n_wells, n_components=n_components)
        self.map = Umap(max_points=max_points, n_neighbors=n_neighbors, min_dist=min_dist)

    def tables(self, run: FigureContext) -> dict[str, pd.DataFrame]:
        """Return both scores of all wells, the fits, and the extreme wells and compounds.

        ``control_likeness``: every control and treated well with its place and both scores;
        ``control_likeness_fit``: group, mean_1, mean_2, cov_11, cov_12, cov_22 of the Gaussians on the map;
        ``control_likeness_spearman``: value and n of the rank correlation of both scores over treated wells;
        ``wells_least_control_like``, ``wells_most_control_like``: rank, plate, well, batch, compound, both scores;
        ``compounds_least_control_like`` (if compounds are known): compound, n_wells, n_chosen (among the least),
        expected, p, q (:func:`harness.control_similarity.enrichment.enrichment`).

        Raises NotApplicable without a map, or with too few control wells.
        """
        wells = run.normalized.wells
        on_map = sample(wells, max_points=self.max_points, seed=run.seed)
        at = np.full((len(wells), 2), np.nan)
        at[on_map] = self.map.tables(run)["umap"][["umap_1", "umap_2"]].to_numpy()
        scored, fits = self.likeness.scored(run.normalized, at, seed=run.seed)
        least, most = self.likeness.extremes(scored)
        tables = {
            "control_likeness": scored.reset_index(drop=True),
            "control_likeness_fit": pd.DataFrame([_fit_row(name, fit) for name, fit in fits.items()], columns=FIT),
            "control_likeness_spearman": _rank_correlation(scored),
            "wells_least_control_like": least.reset_index(drop=True),
            "wells_most_control_like": most.reset_index(drop=True),
        }
        if "compound" in scored:
            treated = scored[(scored["role"] == "treated") & scored[self.rank_by].notna()]
            among_least = treated.index.isin(least.index)
            tables["compounds_least_control_like"] = enrichment(treated, among_least, treated["group"])
        return tables

    def draw(self, tables: dict[str, pd.DataFrame], run: FigureContext) -> dict[str, Figure]:
        """Return three panels: the map, the distances of controls and treated wells, one score against the other."""
        table = tables["control_likeness"]
        figure, (on_map, distances, both) = new_figure(3.3, 3.3, panels=3, gap=0.65)
        draw_map(on_map, table, tables["control_likeness_fit"])
        draw_distances(distances, table)
        draw_both(both, table, tables["control_likeness_spearman"])
        treated = table[table["role"] == "treated"]
        counts = f"n = {len(treated):,} treated and {len(table) - len(treated):,} control wells"
        counts += f", {table['umap_1'].notna().sum():,} of them on the map"
        if unscored := int(table["mahalanobis"].isna().sum()):
            counts += f" · {unscored:,} in batches with too few controls to be scored"
        add_headline(figure, "Likeness to controls", run, counts)
        return {"control_likeness": figure}


def _fit_row(name: str, fit: Gaussian) -> list[object]:
    return [name, *fit.mean, fit.covariance[0, 0], fit.covariance[0, 1], fit.covariance[1, 1]]


def _rank_correlation(scored: pd.DataFrame) -> pd.DataFrame:
    both = scored[scored["role"] == "treated"].dropna(subset=["log_density", "mahalanobis"])
    value = spearmanr(both["log_density"], both["mahalanobis"])[0] if len(both) > 2 else np.nan
    return pd.DataFrame({"value": [float(value)], "n": [len(both)]})
