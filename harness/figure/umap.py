"""UMAP of a normalization, by role and by batch."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Annotated

import numpy as np
import pandas as pd
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.lines import Line2D
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from harness.core.exceptions import NotApplicable
from harness.data.wells.sampling import sample
from harness.figure.base import FigureContext, FigureMember
from harness.plotting.style import (
    CONTROL_COLOUR,
    MEDIUM,
    OKABE_ITO,
    SMALL,
    add_headline,
    batch_colours,
    label,
    legend_below,
    new_figure,
    spaced_labels,
)
from harness.settings.annotated_types import Count, Share
from harness.settings.limits import Between

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from harness.core.arrays import Doubles, Floats

EPOCHS = 200  # UMAP's choice for large data; its 500 for small data doubled the time, trustworthiness 0.964 and 0.965
MIN_WELLS = 10  # below that a neighbourhood graph has no shape


class Umap(FigureMember):
    """One embedding per normalization, shown twice: by role and by batch.

    All control wells are shown while they are at most half of ``max_points``, beyond that a sample of them
    spread evenly over plates; the rest are treated wells, spread evenly over plates. Positive controls and
    empty wells are left out. The sample depends on the seed and the wells only: all normalizations of a sweep
    show the same wells.
    """

    def __init__(
        self, *, max_points: Count = 2500, n_neighbors: Annotated[int, Between(2, 1000)] = 15, min_dist: Share = 0.1
    ) -> None:
        self.max_points = max_points
        self.n_neighbors = n_neighbors
        self.min_dist = min_dist

    def prepare(self) -> None:
        """Import UMAP and compile it on a toy, which takes seconds."""
        embed(np.random.default_rng(0).standard_normal((60, 4)).astype(np.float32), seed=0)

    def tables(self, run: FigureContext) -> dict[str, pd.DataFrame]:
        """Return ``umap``: plate, well, batch, role, compound (if known), umap_1, umap_2; one row per well shown.

        Raises NotApplicable with fewer than 10 control and treated wells, or a single feature.
        """
        wells = run.normalized.wells
        rows = sample(wells, max_points=self.max_points, seed=run.seed)
        if len(rows) < MIN_WELLS:
            raise NotApplicable(f"{len(rows)} control and treated wells; an embedding needs {MIN_WELLS}")
        if run.normalized.X.shape[1] < 2:
            raise NotApplicable("a single feature; an embedding in two dimensions needs 2")
        # cached: another figure may show the same points
        at = run.normalized.cached(
            ("umap", self.max_points, run.seed, self.n_neighbors, self.min_dist),
            lambda: embed(run.normalized.X[rows], seed=run.seed, n_neighbors=self.n_neighbors, min_dist=self.min_dist),
        )
        columns = [c for c in ("plate", "well", "batch", "role", "compound") if c in wells]
        table = wells.loc[rows, columns].reset_index(drop=True)
        return {"umap": table.assign(umap_1=at[:, 0], umap_2=at[:, 1])}

    def draw(self, tables: dict[str, pd.DataFrame], run: FigureContext) -> dict[str, Figure]:
        """Return two panels with the same points: role, batch."""
        table = tables["umap"]
        figure, (by_role, by_batch) = new_figure(3.6, 3.6, panels=2, gap=0.15)
        order = np.random.default_rng(run.seed).permutation(len(table))  # no batch lies on top of the others
        _draw_roles(by_role, table)
        _draw_batches(by_batch, table.iloc[order], list(dict.fromkeys(run.normalized.wells["batch"])))
        for axes in (by_role, by_batch):
            axes.set(xticks=[], yticks=[])
            axes.set_xlabel("UMAP 1", fontsize=SMALL)
        by_role.set_ylabel("UMAP 2", fontsize=SMALL)
        by_role.set_title("by role", fontsize=MEDIUM)
        by_batch.set_title("by batch", fontsize=MEDIUM)
        wells = run.normalized.wells["role"].isin(["negcon", "treated"]).sum()
        plates = table["plate"].nunique()
        counts = f"n = {len(table):,} of {wells:,} control and treated wells on {plates:,} plates"
        add_headline(figure, "UMAP of normalized wells", run, counts)
        return {"umap": figure}


def embed(X: Floats, *, seed: int, n_neighbors: int = 15, min_dist: float = 0.1) -> Doubles:
    """Return UMAP (McInnes 2018, arXiv 1802.03426) of X (n, n_features) to (n, 2), the same for the same seed.

    Features are standardized over the rows given and reduced to at most 50 principal components. The start is
    the first two of them: an informative start keeps the global arrangement (Kobak and Linderman 2021, Nature
    Biotechnology 39:156), and unlike the spectral one it does not depend on the neighbourhood graph being
    connected, which strong batches prevent.
    """
    from umap import UMAP  # compiles for seconds

    scaled = StandardScaler().fit_transform(X.astype(np.float64))
    components = PCA(min(50, *X.shape), random_state=seed).fit_transform(scaled)
    n_neighbors = min(n_neighbors, len(X) - 1)
    # Left to itself, UMAP fills a small distance matrix by one Python call per pair.
    distance, neighbour = NearestNeighbors(n_neighbors=n_neighbors).fit(components).kneighbors(components)
    reducer = UMAP(
        n_neighbors=n_neighbors,
        min_dist=min_dist,
        n_epochs=EPOCHS,
        init="pca",
        precomputed_knn=(neighbour, distance),
        random_state=seed,
        n_jobs=1,  # what a seed implies; saying so avoids a warning
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "precomputed_knn.* is not an NNDescent object")  # no transform() needed
        return np.asarray(reducer.fit_transform(components), dtype=np.float64)


def _draw_roles(axes: Axes, table: pd.DataFrame) -> None:
    styles = {"treated": ("0.72", 4, "treated"), "negcon": (CONTROL_COLOUR, 8, "negative control")}
    handles, labels = [], []
    for role, (colour, size, name) in styles.items():
        points = table[table["role"] == role]
        edge = {"edgecolors": "white", "linewidths": 0.25} if role == "negcon" else {"linewidths": 0}
        axes.scatter(points["umap_1"], points["umap_2"], s=size, color=colour, **edge)
        handles.append(Line2D([], [], linestyle="", marker="o", color=colour, markersize=5))
        labels.append(f"{name} ({len(points):,})")
    legend_below(axes, handles, labels, drop=0.25)


def _draw_batches(axes: Axes, table: pd.DataFrame, batches: list[str]) -> None:
    colours = batch_colours(batches)
    axes.scatter(table["umap_1"], table["umap_2"], s=5, c=[colours[b] for b in table["batch"]], linewidths=0)
    if len(batches) <= len(OKABE_ITO):
        handles = [Line2D([], [], linestyle="", marker="o", color=colours[b], markersize=5) for b in batches]
        legend_below(axes, handles, [label(b) for b in batches], drop=0.25)
        return
    norm = BoundaryNorm(np.arange(len(batches) + 1) - 0.5, len(batches))
    ramp = ScalarMappable(norm, ListedColormap([colours[b] for b in batches]))
    figure = axes.get_figure(root=True)
    assert figure is not None
    ticks = spaced_labels(range(len(batches)), len(batches) / 22)
    bar = figure.colorbar(ramp, cax=axes.inset_axes((1.03, 0.0, 0.05, 1.0)), ticks=ticks)
    bar.ax.set_yticklabels([label(batches[i], 16) for i in ticks], fontsize=SMALL)
    bar.ax.tick_params(length=0)
    bar.ax.invert_yaxis()
