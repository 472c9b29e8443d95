"""Control profiles along the order of plates, with the boundaries that ``batch=inferred`` found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from harness.core.exceptions import NotApplicable
from harness.figure.base import FigureContext, FigureMember
from harness.plotting.style import (
    DPI,
    MEDIUM,
    SMALL,
    add_headline,
    batch_colours,
    label,
    legend_below,
    percent_range,
    spaced_labels,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


WIDTH, HEIGHT, GAP = 7.0, 1.45, 0.14  # inches, of a panel; between panels
MOST_LABELS = 40  # plates named under the axis, boundaries named above it
NAMED_OUTLIERS = 12
OUTLIER_COLOUR = "black"
DASHED = (0, (4, 2))
PANELS = {
    "intensity": "mean of\nintensity features\n(robust sd over plates)",
    "component_1": "component 1 of\ncontrol medians\n(robust sd over plates)",
    "distance": "distance to\nits batch\n(robust sd)",
}


class InferredBatches(FigureMember):
    """Three panels over plate order: mean intensity, leading component, distance of each plate to its batch.

    The first is left out if no feature is named after an intensity.
    """

    def tables(self, run: FigureContext) -> dict[str, pd.DataFrame]:
        """Return ``inferred_batches`` and ``inferred_boundaries``, the tables of the inference.

        Raises NotApplicable if batches were not inferred.
        """
        batch_tables = run.batch_tables
        if "inferred_batches" not in batch_tables:
            raise NotApplicable("batches were given, not found: choose batch=inferred to see where the controls change")
        return {name: batch_tables[name] for name in ("inferred_batches", "inferred_boundaries")}

    def draw(self, tables: dict[str, pd.DataFrame], run: FigureContext) -> dict[str, Figure]:
        """Return one column of panels that share the order of plates."""
        plates, boundaries = tables["inferred_batches"], tables["inferred_boundaries"]
        panel_names = [name for name in PANELS if plates[name].notna().any()]
        figure = Figure(figsize=(WIDTH, len(panel_names) * (HEIGHT + GAP)), dpi=DPI)
        FigureCanvasAgg(figure)
        part = 1 / len(panel_names)
        axes = [
            figure.add_axes((0.0, 1 - (i + 1) * part, 1.0, part * HEIGHT / (HEIGHT + GAP)))
            for i in range(len(panel_names))
        ]
        for panel, name in zip(axes, panel_names, strict=True):
            _draw_panel(panel, plates, boundaries, name)
        cutoff = float(plates["cutoff"].iloc[0])
        _scale_distance(axes[-1], plates, cutoff)
        _name_batches(axes[0], plates)
        _name_outliers(axes[-1], plates)
        _name_plates(axes[-1], plates)
        _draw_legend(axes[-1], plates, boundaries, cutoff)
        n, batches, outliers = len(plates), plates["batch"].nunique(), int(plates["outlier"].sum())
        counts = (
            f"n = {plates['n_controls'].sum():,} control wells on {n:,} plates · "
            f"{batches:,} batch{'es' * (batches > 1)} · {outliers:,} outlier plate{'s' * (outliers != 1)} · "
            f"lowest stability of a batch {_lowest_stability(plates):.2f}"
        )
        add_headline(figure, "Batches found in control wells along the order of plates (raw profiles)", run, counts)
        return {"inferred_batches": figure}


def _lowest_stability(plates: pd.DataFrame) -> float:
    return float(plates.groupby("batch")["stability"].mean().min())


def _draw_panel(axes: Axes, plates: pd.DataFrame, boundaries: pd.DataFrame, name: str) -> None:
    colours = batch_colours(plates["batch"].tolist())
    at, value, outlier = (plates[column].to_numpy() for column in ("order", name, "outlier"))
    size = float(np.clip(900 / len(plates), 3, 22))
    for batch in colours:
        of_batch = (plates["batch"] == batch).to_numpy() & ~outlier
        axes.scatter(at[of_batch], value[of_batch], s=size, color=[colours[batch]], linewidths=0, zorder=3)
    axes.scatter(
        at[outlier],
        value[outlier],
        s=size + 22,
        marker="X",
        color=OUTLIER_COLOUR,
        edgecolor="white",
        linewidths=0.6,
        zorder=4,
    )
    if name != "distance":
        _draw_levels(axes, plates, name, colours)
    order = dict(zip(plates["plate"], plates["order"], strict=True))
    for plate, stable in boundaries[["before_plate", "stability"]].to_numpy():
        axes.axvline(order[plate] - 0.5, color="0.35", linewidth=0.8, alpha=0.25 + 0.75 * stable, zorder=1)
    axes.set_xlim(0.3, len(plates) + 0.7)
    axes.set_ylabel(PANELS[name], fontsize=SMALL)
    axes.tick_params(labelsize=SMALL, labelbottom=False, bottom=False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(y=0.12)


def _draw_levels(axes: Axes, plates: pd.DataFrame, name: str, colours: dict[str, Any]) -> None:
    """Draw the median of each stretch of plates of one batch, without outliers."""
    stretch = (plates["batch"] != plates["batch"].shift()).cumsum()
    for _, rows in plates.groupby(stretch, sort=False):
        ends = [rows["order"].iloc[0] - 0.4, rows["order"].iloc[-1] + 0.4]
        inliers = rows[~rows["outlier"]]
        if len(inliers):
            axes.plot(
                ends,
                [inliers[name].median()] * 2,
                color=colours[rows["batch"].iloc[0]],
                linewidth=1.6,
                alpha=0.55,
                zorder=2,
            )


def _scale_distance(axes: Axes, plates: pd.DataFrame, cutoff: float) -> None:
    """Scale the axis linearly up to the cut-off and logarithmically beyond it, with plain numbers."""
    axes.axhline(cutoff, color=OUTLIER_COLOUR, linewidth=0.9, linestyle=DASHED)
    axes.set_yscale("symlog", linthresh=cutoff, linscale=1.0)
    low, high = float(plates["distance"].min()), float(plates["distance"].max())
    top = 2.6 * max(cutoff, high)
    axes.set_ylim(min(-1.0, 1.2 * low), top)
    steps = [0.0, *(cutoff * m * 10.0**k for k in range(9) for m in (1, 2, 4))]
    ticks = [step for step in steps if step < top]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_yticks([], minor=True)


def _name_batches(axes: Axes, plates: pd.DataFrame) -> None:
    stretch = (plates["batch"] != plates["batch"].shift()).cumsum()
    middles = plates.groupby(stretch, sort=False).agg(at=("order", "mean"), batch=("batch", "first"))
    texts = [label(batch.removeprefix("batch"), 16) for batch in middles["batch"]]
    axes.annotate("batch", (-0.01, 1.02), xycoords="axes fraction", ha="right", va="bottom", fontsize=SMALL)
    gap = max(map(len, texts)) * 0.6 * SMALL / 72 / WIDTH * len(plates)
    for i in spaced_labels(middles["at"].tolist(), gap):
        axes.annotate(
            texts[i],
            (middles["at"].iloc[i], 1.02),
            xycoords=axes.get_xaxis_transform(),
            ha="center",
            va="bottom",
            fontsize=SMALL,
        )


def _name_outliers(axes: Axes, plates: pd.DataFrame) -> None:
    """Write the names of the farthest outliers above their marks."""
    farthest = plates[plates["outlier"]].nlargest(NAMED_OUTLIERS, "distance")
    for plate, order, distance in farthest[["plate", "order", "distance"]].to_numpy():
        axes.annotate(
            label(plate, 18), (order, distance), xytext=(0, 5), textcoords="offset points",
            ha="center", va="bottom", fontsize=SMALL, color=OUTLIER_COLOUR,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
        )  # fmt: skip


def _name_plates(axes: Axes, plates: pd.DataFrame) -> None:
    ticks = spaced_labels(plates["order"].tolist(), len(plates) / MOST_LABELS)
    axes.tick_params(labelbottom=True, bottom=True)
    axes.set_xticks(
        plates["order"].iloc[ticks], [label(plates["plate"].iloc[i], 16) for i in ticks], rotation=90, fontsize=SMALL
    )
    axes.set_xlabel("plate, in order", fontsize=MEDIUM)


def _draw_legend(axes: Axes, plates: pd.DataFrame, boundaries: pd.DataFrame, cutoff: float) -> None:
    handles, texts = [], []
    if len(boundaries):
        span = boundaries["stability"]
        handles.append(Line2D([], [], color="0.35", linewidth=0.8))
        texts.append(f"boundary (in {percent_range(span.min(), span.max())} of resamples)")
    handles.append(Line2D([], [], color="0.4", linewidth=1.6, alpha=0.55))
    texts.append("median of the batch")
    if plates["outlier"].any():
        handles.append(Line2D([], [], color=OUTLIER_COLOUR, marker="X", linestyle="", markeredgecolor="white"))
        texts.append("outlier plate")
    handles.append(Line2D([], [], color=OUTLIER_COLOUR, linewidth=0.9, linestyle=DASHED))
    texts.append(f"outlier cut-off, {cutoff:g}")
    names = max(len(label(plate, 16)) for plate in plates["plate"])
    legend_below(axes, handles, texts, drop=0.42 + 0.066 * names)
