"""One UMAP panel per batch, all on the same axes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from harness.core.seeding import generator
from harness.figure.umap import Umap
from harness.plotting.axis_order import order_by_plate
from harness.plotting.panels import new_grid
from harness.plotting.style import CONTROL_COLOUR, SMALL, TREATED_COLOUR, add_headline, label
from harness.settings.annotated_types import Count, Share
from harness.settings.limits import Between

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from harness.figure.base import FigureContext

PAGE_WIDTH = 10.0  # inches across, of many panels
SMALLEST_PANEL, LARGEST_PANEL = 0.95, 2.3  # inches of a panel
LONG_TITLE = 24  # characters above a panel from which its numbers are spelled out
MOST_VECTOR_POINTS = 5_000  # points; a drawing of more holds them as an image
OTHERS_COLOUR = "0.87"


class UmapBatches(Umap):
    """Small multiples of the embedding of the figure ``umap``: a batch in colour, all other wells in grey.

    In colour are all control wells of the batch that were embedded, and up to ``treated`` treated wells from
    ``plates`` of its plates, drawn by the seed and the batch's name: all normalizations of a sweep show the
    same. The axes of all panels are the same.

    Parameters
    ----------
    treated : wells of a batch, as evenly over its sampled plates as the embedded wells allow.
    plates : sampled plates of a batch.
    max_points, n_neighbors, min_dist : of :class:`harness.figure.umap.Umap`; with equal values both figures share one
        embedding.
    """

    def __init__(
        self,
        *,
        treated: Count = 40,
        plates: Count = 5,
        max_points: Count = 2500,
        n_neighbors: Annotated[int, Between(2, 1000)] = 15,
        min_dist: Share = 0.1,
    ) -> None:
        super().__init__(max_points=max_points, n_neighbors=n_neighbors, min_dist=min_dist)
        self.treated = treated
        self.plates = plates

    def tables(self, run: FigureContext) -> dict[str, pd.DataFrame]:
        """Return ``umap_batches``: the table ``umap`` with ``shown``: in colour in the panel of its batch.

        Raises NotApplicable as the figure ``umap`` does.
        """
        table = super().tables(run)["umap"]
        coloured = (table["role"] == "negcon").to_numpy(copy=True)
        for batch, treated_wells in table[~coloured].groupby("batch", sort=False):
            coloured[self._sample_treated(treated_wells, str(batch), run.seed)] = True
        return {"umap_batches": table.assign(shown=coloured)}

    def _sample_treated(self, treated_wells: pd.DataFrame, batch: str, seed: int) -> pd.Index[int]:
        """Return rows of the treated wells of a batch that are shown."""
        rng = generator(seed, "umap batches", batch)
        plates = rng.permutation(treated_wells["plate"].unique())[: self.plates]
        mixed = treated_wells[treated_wells["plate"].isin(plates)].sample(frac=1, random_state=rng)
        turn = mixed.groupby("plate", sort=False).cumcount()
        return turn.sort_values(kind="stable").index[: self.treated]

    def draw(self, tables: dict[str, pd.DataFrame], run: FigureContext) -> dict[str, Figure]:
        """Return one page: a panel per batch, batches in the order of their plates' ids."""
        table = tables["umap_batches"]
        plates = table.drop_duplicates("plate")
        batches = plates["batch"].iloc[order_by_plate(plates)].unique().tolist()
        columns = min(len(batches), max(3, math.ceil(math.sqrt(1.3 * len(batches)))))
        side = float(np.clip(PAGE_WIDTH / columns - 0.1, SMALLEST_PANEL, LARGEST_PANEL))
        rows = math.ceil(len(batches) / columns)
        figure, grid = new_grid(rows, columns, width=side, height=side, gaps=(0.1, 0.34))
        panels = [axes for row in grid for axes in row]
        edges = _axis_limits(table)
        raster = len(table) * len(batches) > MOST_VECTOR_POINTS
        size = float(np.clip(1.7 * side**2, 2, 9))
        for axes, batch in zip(panels, batches, strict=False):
            _draw_panel(axes, table, batch, size=size, raster=raster, room=int(side * 72 / (0.6 * SMALL)))
            axes.set(xlim=edges[0], ylim=edges[1])
        for axes in panels[len(batches) :]:
            axes.remove()
        handles = [
            Line2D([], [], linestyle="", marker="o", color=c, markersize=5)
            for c in (CONTROL_COLOUR, TREATED_COLOUR, OTHERS_COLOUR)
        ]
        texts = [
            "negative control",
            f"treated, up to {self.treated} on {self.plates} plates",
            "every other well embedded",
        ]
        at = grid[-1][0].get_window_extent().transformed(figure.dpi_scale_trans.inverted())
        grid[-1][0].legend(
            handles, texts, loc="upper left", bbox_to_anchor=(0.0, -0.08 / at.height), ncols=1 if columns == 1 else 3,
            fontsize=SMALL, frameon=False, handlelength=1.0, borderaxespad=0.0,
        )  # fmt: skip
        n_coloured = table["shown"].sum()
        counts = (
            f"n = {n_coloured:,} wells in colour of {len(table):,} embedded, on {table['plate'].nunique():,} plates in "
            f"{len(batches):,} batches · same axes in all panels"
        )
        add_headline(figure, "UMAP of normalized wells, batch by batch", run, counts)
        return {"umap_batches": figure}


def _axis_limits(table: pd.DataFrame) -> list[tuple[float, float]]:
    at = table[["umap_1", "umap_2"]].to_numpy()
    low, high = at.min(axis=0), at.max(axis=0)
    pad = 0.04 * (high - low)
    return [(float(a), float(b)) for a, b in zip(low - pad, high + pad, strict=True)]


def _draw_panel(axes: Axes, table: pd.DataFrame, batch: str, *, size: float, raster: bool, room: int) -> None:
    inside = (table["batch"] == batch).to_numpy() & table["shown"].to_numpy()
    rest = table[~inside]
    axes.scatter(rest["umap_1"], rest["umap_2"], s=0.45 * size, color=OTHERS_COLOUR, linewidths=0, rasterized=raster)
    counts = []
    for role, colour in (("negcon", CONTROL_COLOUR), ("treated", TREATED_COLOUR)):
        of_role = table[inside & (table["role"] == role).to_numpy()]
        axes.scatter(
            of_role["umap_1"], of_role["umap_2"], s=size, color=colour, linewidths=0, alpha=0.85, rasterized=raster
        )
        counts.append(len(of_role))
    axes.set(xticks=[], yticks=[])
    numbers = "{:,} controls, {:,} treated" if room >= LONG_TITLE else "{:,} + {:,}"
    title = f"{label(batch, max(8, room))}\n{numbers.format(*counts)}"
    axes.set_title(title, fontsize=SMALL, pad=2.5, linespacing=1.1)
    axes.spines[:].set(color="0.6", linewidth=0.6)
