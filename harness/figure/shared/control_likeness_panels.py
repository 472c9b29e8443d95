"""The panels of :mod:`harness.figure.control_likeness`: the map, the distances, both scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.colors import Normalize
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from harness.control_similarity.gaussian import Gaussian
from harness.plotting.style import (
    CONTROL_COLOUR,
    MEDIUM,
    OKABE_ITO,
    SMALL,
    TREATED_COLOUR,
    batch_colours,
    label,
    legend_below,
    plain_axes,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RINGS = (1, 2, 3)  # sd; of a Gaussian in two dimensions they hold 39, 86 and 99%
USUAL_SHARE = 0.95  # share of controls that call a distance usual
FIT = ["group", "mean_1", "mean_2", "cov_11", "cov_12", "cov_22"]


def draw_map(axes: Axes, table: pd.DataFrame, fits: pd.DataFrame) -> None:
    table = table.dropna(subset=["log_density"])
    density = table["log_density"]
    scale = Normalize(*np.percentile(density, [5, 100])) if len(table) else Normalize(0, 1)
    handles, labels = [], []
    for role, marker, size, name in (("treated", "o", 7, "treated"), ("negcon", "^", 9, "negative control")):
        of_role = table[table["role"] == role]
        dots = axes.scatter(
            of_role["umap_1"],
            of_role["umap_2"],
            c=of_role["log_density"],
            norm=scale,
            s=size,
            marker=marker,
            linewidths=0,
        )
        handles.append(Line2D([], [], linestyle="", marker=marker, color="0.4", markersize=4.5))
        labels.append(f"{name} ({len(of_role):,})")
    groups = list(fits["group"])
    many = len(groups) > len(OKABE_ITO)  # one ring each, or the map drowns in them
    one = dict.fromkeys(groups, "0.35" if many else CONTROL_COLOUR)
    colours = one if many or len(groups) < 2 else batch_colours(groups)
    rings = RINGS[1:2] if many else RINGS
    ring_names = f"{', '.join(map(str, rings))} sd"
    if not many:
        handles += [Line2D([], [], color=colours[name]) for name in groups]
        labels += [label(name) if len(groups) > 1 else f"controls: {ring_names}" for name in groups]
    limits = axes.get_xlim(), axes.get_ylim()
    for group, *values in fits[FIT].itertuples(index=False):
        m1, m2, c11, c12, c22 = values
        fit = Gaussian(np.array([m1, m2]), np.array([[c11, c12], [c12, c22]]))
        for sd in rings:
            axes.plot(*fit.ellipse(sd).T, color=colours[group], linewidth=0.8 if many else 1.6 / sd**0.5)
    if len(groups) > 1:  # ellipses of several batches may reach far beyond all wells
        axes.set(xlim=limits[0], ylim=limits[1])
    axes.set(xticks=[], yticks=[])
    axes.set_xlabel("UMAP 1", fontsize=SMALL)
    axes.set_ylabel("UMAP 2", fontsize=SMALL)
    axes.set_title("density of controls on the map", fontsize=MEDIUM)
    figure = axes.get_figure(root=True)
    assert figure is not None
    bar = figure.colorbar(dots, cax=axes.inset_axes((0.15, -0.14, 0.7, 0.035)), orientation="horizontal", extend="min")
    bar.set_label("log density", fontsize=SMALL)
    bar.ax.tick_params(labelsize=SMALL)
    title = {"title": f"ellipses: {ring_names} of the controls of a batch"} if len(groups) > 1 else {}
    legend_below(axes, handles, labels, drop=0.95, **title)


def draw_distances(axes: Axes, table: pd.DataFrame) -> None:
    table = table.dropna(subset=["mahalanobis"])
    controls = table.loc[table["role"] == "negcon", "mahalanobis"]
    usual = float(controls.quantile(USUAL_SHARE))
    handles, labels = [], []
    for role, colour, name in (
        ("negcon", CONTROL_COLOUR, "negative control, by fits without it"),
        ("treated", TREATED_COLOUR, "treated"),
    ):
        values = np.sort(table.loc[table["role"] == role, "mahalanobis"])
        axes.step(values, np.arange(1, len(values) + 1) / len(values), where="post", color=colour, linewidth=1.5)
        handles.append(Line2D([], [], color=colour))
        labels.append(f"{name} ({len(values):,})")
    treated = table.loc[table["role"] == "treated", "mahalanobis"]
    axes.axvline(usual, color="0.5", linestyle=":", linewidth=1)
    beyond = f" {(treated > usual).mean():.0%} of treated wells\n beyond {USUAL_SHARE:.0%} of controls"
    axes.text(usual, 0.03, beyond, fontsize=SMALL, color="0.3", va="bottom")
    axes.set_ylim(0, 1)
    _distance_axis(axes)
    axes.set_ylabel("share of wells below", fontsize=SMALL)
    axes.set_title("distance in feature space", fontsize=MEDIUM)
    plain_axes(axes)
    legend_below(axes, handles, labels, drop=0.5)


def draw_both(axes: Axes, table: pd.DataFrame, correlated: pd.DataFrame) -> None:
    table = table.dropna(subset=["log_density", "mahalanobis"])
    kinds = {"treated": (TREATED_COLOUR, "treated"), "negcon": (CONTROL_COLOUR, "negative control")}
    for role, (colour, _) in kinds.items():
        of_role = table[table["role"] == role]
        axes.scatter(of_role["mahalanobis"], of_role["log_density"], s=4, color=colour, alpha=0.5, linewidths=0)
    _distance_axis(axes)
    handles = [Line2D([], [], linestyle="", marker="o", color=colour, markersize=4) for colour, _ in kinds.values()]
    legend_below(axes, handles, [name for _, name in kinds.values()], drop=0.5)
    axes.set_ylabel("log density on the map", fontsize=SMALL)
    value, n = correlated["value"].iloc[0], correlated["n"].iloc[0]
    rho = f"{value:.2f}".replace("-", "\N{MINUS SIGN}")
    axes.set_title(f"both scores: Spearman {rho} (n = {n:,} treated)", fontsize=MEDIUM)
    plain_axes(axes)


def _distance_axis(axes: Axes) -> None:
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    steps = (1, 2, 5) if high / low < 100 else (1, 3) if high / low < 1000 else (1,)
    axes.xaxis.set_major_locator(LogLocator(subs=steps, numticks=12))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("Mahalanobis distance from controls", fontsize=SMALL)
