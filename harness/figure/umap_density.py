"""Density of control and treated wells in the UMAP, and the ratio of both; for many wells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from harness.core.exceptions import NotApplicable
from harness.figure.umap import Umap
from harness.plotting.style import MEDIUM, SMALL, add_headline, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PolyCollection

    from harness.figure.base import FigureContext

PER_HEXAGON = 4.0  # wells of both roles on average, if all hexagons were alike
MIN_HEXAGONS, MAX_HEXAGONS = 12, 70  # across
PRIOR = 0.5  # wells of each role added to a hexagon, so that one well against none is not infinitely more
ROLES = {"negcon": "control wells", "treated": "treated wells"}


class UmapDensity(Umap):
    """Hexagons over the embedding of the figure ``umap``: share of the controls, of the treated wells, and log ratio.

    The ratio is log2 of the shares with half a well of either role added to every occupied hexagon: 0 if controls
    and treated wells are equally dense. Raise ``max_points`` of both figures for a picture of large sets.

    Parameters
    ----------
    max_points, n_neighbors, min_dist : of :class:`harness.figure.umap.Umap`; with equal values both figures share one
        embedding.
    """

    def tables(self, run: FigureContext) -> dict[str, pd.DataFrame]:
        """Return the hexagons and their grid.

        ``umap_density``: one row per occupied hexagon: umap_1, umap_2 (its centre), n_negcon, n_treated,
        share_negcon, share_treated (of all wells of the role), log2_ratio (treated over controls);
        ``umap_density_grid``: one row: hexagons across and the corners of the grid.

        Raises NotApplicable as the figure ``umap`` does, or without wells of both roles.
        """
        table = super().tables(run)["umap"]
        if absent := [role for role in ROLES if not (table["role"] == role).any()]:
            raise NotApplicable(f"no {absent[0]} wells; densities are compared between controls and treated wells")
        grid = _hexagon_grid(table)
        counts: dict[str, Any] = {}
        for role in ROLES:
            of_role = table[table["role"] == role]
            cells = _hexagons(of_role["umap_1"], of_role["umap_2"], grid)
            centres = np.asarray(cells.get_offsets())
            counts |= {"umap_1": centres[:, 0], "umap_2": centres[:, 1]}
            counts[f"n_{role}"] = np.asarray(cells.get_array(), dtype=np.int64)
        hexagons = pd.DataFrame(counts)
        hexagons = hexagons[hexagons["n_negcon"] + hexagons["n_treated"] > 0].reset_index(drop=True)
        prior = PRIOR * len(hexagons)
        smooth = {role: (hexagons[f"n_{role}"] + PRIOR) / (hexagons[f"n_{role}"].sum() + prior) for role in ROLES}
        for role in ROLES:
            hexagons[f"share_{role}"] = hexagons[f"n_{role}"] / hexagons[f"n_{role}"].sum()
        hexagons["log2_ratio"] = np.log2(smooth["treated"] / smooth["negcon"])
        return {"umap_density": hexagons, "umap_density_grid": pd.DataFrame([grid])}

    def draw(self, tables: dict[str, pd.DataFrame], run: FigureContext) -> dict[str, Figure]:
        """Return three panels on the same axes; the shares have one scale of colours."""
        hexagons, grid = (
            tables["umap_density"],
            {str(key): float(x) for key, x in tables["umap_density_grid"].iloc[0].items()},
        )
        figure, panels = new_figure(3.2, 3.2, panels=3, gap=0.12)
        shares = hexagons[["share_negcon", "share_treated"]].to_numpy()
        scale = LogNorm(shares[shares > 0].min(), shares.max())
        for axes, (role, name) in zip(panels, ROLES.items(), strict=False):
            occupied = hexagons[hexagons[f"n_{role}"] > 0]
            _draw_hexagons(axes, occupied, occupied[f"share_{role}"], grid, cmap="viridis", norm=scale)
            axes.set_title(f"{name} (n = {occupied[f'n_{role}'].sum():,})", fontsize=MEDIUM)
        limit = max(1.0, float(np.ceil(hexagons["log2_ratio"].abs().max())))
        _draw_hexagons(panels[2], hexagons, hexagons["log2_ratio"], grid, cmap="PuOr_r", vmin=-limit, vmax=limit)
        panels[2].set_title("treated over control", fontsize=MEDIUM)
        panels[0].set_ylabel("UMAP 2", fontsize=SMALL)
        for axes in panels:
            axes.set_xlabel("UMAP 1", fontsize=SMALL)
        _add_colour_bar(figure, panels[0], "share of the role's wells in a hexagon", across=2.04)
        _add_colour_bar(figure, panels[2], "log2 ratio of shares", across=1.0)
        wells = hexagons[["n_negcon", "n_treated"]].to_numpy().sum()
        add_headline(
            figure, "Density of normalized wells in the UMAP", run, f"n = {wells:,} wells in {len(hexagons):,} hexagons"
        )
        return {"umap_density": figure}


def _hexagon_grid(table: pd.DataFrame) -> dict[str, float]:
    at = table[["umap_1", "umap_2"]].to_numpy()
    low, high = at.min(axis=0), at.max(axis=0)
    across = int(np.clip(np.sqrt(len(table) / PER_HEXAGON), MIN_HEXAGONS, MAX_HEXAGONS))
    pad = 1.2 * (high - low) / across  # no hexagon is cut off
    corners = zip(("left", "bottom", "right", "top"), (*(low - pad), *(high + pad)), strict=True)
    return {"across": across, **{name: float(value) for name, value in corners}}


def _hexagons(x: Any, y: Any, grid: dict[str, float], axes: Axes | None = None, **options: Any) -> PolyCollection:
    """Return counts (or sums of ``C``, if it is an option) in all hexagons of the grid, empty ones included."""
    extent = (grid["left"], grid["right"], grid["bottom"], grid["top"])
    axes = Figure().add_subplot() if axes is None else axes
    return axes.hexbin(x, y, gridsize=int(grid["across"]), extent=extent, **options)


def _draw_hexagons(
    axes: Axes, hexagons: pd.DataFrame, values: pd.Series[Any], grid: dict[str, float], **options: Any
) -> None:
    cells = _hexagons(
        hexagons["umap_1"],
        hexagons["umap_2"],
        grid,
        axes,
        C=values,
        reduce_C_function=np.sum,
        linewidths=0.15,
        **options,
    )
    cells.set_edgecolor("face")
    axes.set(xticks=[], yticks=[], xlim=(grid["left"], grid["right"]), ylim=(grid["bottom"], grid["top"]))


def _add_colour_bar(figure: Figure, axes: Axes, name: str, *, across: float) -> None:
    place = axes.inset_axes((0.15 * across, -0.16, 0.7 * across, 0.035))
    bar = figure.colorbar(axes.collections[0], cax=place, orientation="horizontal")
    bar.set_label(name, fontsize=SMALL)
    bar.ax.tick_params(labelsize=SMALL)
    if isinstance(bar.norm, LogNorm):
        bar.ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        bar.ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        bar.ax.xaxis.set_minor_formatter(NullFormatter())
