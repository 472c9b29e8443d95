"""Pictures of a comparison: batch removed against biology kept, and paired differences to raw."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from itertools import product
from typing import TYPE_CHECKING

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.lines import Line2D
from matplotlib.transforms import Bbox

from harness.audit.scorecard.decision import Call
from harness.compare.comparison_group import ANCHORS, ComparisonGroup
from harness.compare.table import PROBE, REFERENCE
from harness.plotting.style import OKABE_ITO, SMALL, label, legend_below, new_figure, plain_axes

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from harness.core.arrays import Doubles

VERDICT_STYLES = {  # colour and marker: a verdict is read without colour, too
    Call.SOUND.value: ("#009E73", "o"),
    Call.UNDER.value: ("#0072B2", "s"),
    Call.INCONCLUSIVE.value: ("#777777", "D"),
    Call.OVER.value: ("#D55E00", "v"),
    Call.LEAKS.value: ("#A0307A", "X"),
    Call.NO_SIGNAL.value: ("#000000", "P"),
}
NO_VERDICT_STYLE = ("#777777", "o")
MOST_NAMES = 30
MOST_ROWS = 30


def verdict_style(verdict: str) -> tuple[str, str]:
    """Return colour and marker of a verdict."""
    return VERDICT_STYLES.get(verdict, NO_VERDICT_STYLE)


def svg(figure: Figure) -> bytes:
    """Return the figure as SVG; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "harness"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None}, bbox_inches="tight", pad_inches=0.06)
    return buffer.getvalue()


def batch_removed(probe: Doubles, null: Doubles) -> Doubles:
    """Return the share of the batch removed: 1 if the probe scores as its null on average, 0 if it is always right."""
    return np.asarray((1 - probe) / (1 - null), dtype=np.float64)


def tradeoff_plot(group: ComparisonGroup, key: str, name: str, *, nothing: float) -> tuple[Figure, list[str]] | None:
    """Plot the batch removed against a metric.

    Returns the figure and the norms without room for a name; None if no run has both the metric and a probe.

    Parameters
    ----------
    key : column of the group's table, with ``_lower`` and ``_upper``. name : what to call it.
    nothing : its value if no biology is left, drawn as a line.
    """
    columns = ["norm", "verdict", key, f"{key}_lower", f"{key}_upper", PROBE, f"{PROBE}_null_mean"]
    table = group.table[columns].dropna(subset=[key, PROBE, f"{PROBE}_null_mean"])
    if table.empty:
        return None
    figure, (axes,) = new_figure(4.1, 3.4)
    x = batch_removed(table[PROBE].to_numpy(float), table[f"{PROBE}_null_mean"].to_numpy(float))
    y = table[key].to_numpy(float)
    hollow = np.array([group.runs[norm].name in ANCHORS for norm in table["norm"]])
    verdicts = table["verdict"].where(table["verdict"].isin(list(VERDICT_STYLES)), "").to_numpy()
    for verdict, anchor in product(["", *VERDICT_STYLES], [False, True]):  # the gravest on top
        colour, marker = verdict_style(verdict)
        points = (verdicts == verdict) & (hollow == anchor)
        if not points.any():
            continue
        low, high = table.loc[points, f"{key}_lower"], table.loc[points, f"{key}_upper"]
        axes.vlines(x[points], low, high, color=colour, linewidth=1, alpha=0.7)
        face = "white" if anchor else colour
        axes.plot(x[points], y[points], marker, color=colour, markerfacecolor=face, markersize=7)
    axes.axhline(nothing, color="0.5", linestyle=":", linewidth=1)
    axes.axvline(1, color="0.5", linestyle=":", linewidth=1)
    axes.margins(0.12, 0.08)
    axes.set_xlabel("batch removed (1: probe at chance, 0: always right)", fontsize=SMALL + 1)
    axes.set_ylabel(label(name, 48), fontsize=SMALL + 1)
    plain_axes(axes)
    handles, names = _verdict_legend(table["verdict"])
    legend_below(axes, handles, names, drop=0.55)
    return figure, _name_points(figure, axes, x, y, table["norm"].tolist())


def _verdict_legend(verdicts: pd.Series) -> tuple[list[Line2D], list[str]]:
    present = [name for name in VERDICT_STYLES if (verdicts == name).any()]
    other = ["no verdict"] if (~verdicts.isin(list(VERDICT_STYLES))).any() else []
    styles = [verdict_style(name) for name in [*present, *other]]
    return [Line2D([], [], linestyle="", marker=m, color=c, markersize=6) for c, m in styles], [*present, *other]


def _name_points(figure: Figure, axes: Axes, x: Doubles, y: Doubles, names: Sequence[str]) -> list[str]:
    """Write each name next to its point if it covers no point and no name; return the names without room."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    renderer = canvas.get_renderer()  # type: ignore[no-untyped-call]
    points = axes.transData.transform(np.column_stack([x, y]))
    pixels = figure.dpi / 72
    occupied = [Bbox.from_extents(*(p - 4 * pixels), *(p + 4 * pixels)) for p in points]
    frame, unnamed = axes.get_window_extent(), []
    for i, name in enumerate(names[:MOST_NAMES]):
        size = axes.text(0, 0, label(name), fontsize=SMALL)
        box = size.get_window_extent(renderer)
        size.remove()
        places = _name_positions(points[i], box.width + 2 * pixels, box.height + 3 * pixels, pixels)
        free = (place for place in places if _fits(place[1], frame, occupied))
        if (position := next(free, None)) is None:
            unnamed.append(name)
            continue
        (dx, dy), place = position
        occupied.append(place)
        far = max(abs(dx), abs(dy))
        axes.annotate(
            label(name),
            (x[i], y[i]),
            xytext=(dx, dy),
            textcoords="offset points",
            fontsize=SMALL,
            ha=_SIDE[np.sign(dx)],
            va="center",
            arrowprops={"arrowstyle": "-", "color": "0.6", "linewidth": 0.6, "shrinkB": 5} if far > 8 else None,
        )
    return [*unnamed, *names[MOST_NAMES:]]


_SIDE = {1: "left", -1: "right", 0: "center"}


def _name_positions(at: Doubles, width: float, height: float, pixels: float) -> Iterator[tuple[tuple[int, int], Bbox]]:
    """Yield positions of a name of this size in pixels, the nearest first: offset in points, and the box it fills."""
    sides = [(1, 0), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1), (0, 1), (0, -1)]
    for far, (dx, dy) in product((8, 20, 32, 44, 60, 80), sides):
        x0 = at[0] + dx * far * pixels - width * {1: 0.0, -1: 1.0, 0: 0.5}[dx]
        yield (dx * far, dy * far), Bbox.from_bounds(x0, at[1] + dy * far * pixels - height / 2, width, height)


def _fits(box: Bbox, frame: Bbox, occupied: Sequence[Bbox]) -> bool:
    """Return whether a box lies inside the frame and overlaps no other."""
    inside = frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
    return inside and not any(box.overlaps(other) for other in occupied)


def difference_plot(group: ComparisonGroup, *, order: Sequence[str]) -> Figure | None:
    """Plot paired differences of AUROC to raw with their intervals, a row per norm, a colour per model.

    Shows the first :data:`MOST_ROWS` of ``order``; None without any difference.
    """
    names = {model: f"{model}/auroc_minus_{REFERENCE}" for model in group.models}
    names = {model: key for model, key in names.items() if key in group.table}
    rows = group.table.set_index("norm").loc[list(order)]
    rows = rows[[group.runs[label].name != REFERENCE for label in rows.index]]
    rows = rows.dropna(subset=list(names.values()), how="all").iloc[:MOST_ROWS] if names else rows.iloc[:0]
    if rows.empty:
        return None
    figure, (axes,) = new_figure(3.1, 0.35 + len(rows) * (0.16 + 0.16 * len(names)))
    handles, words = [], []
    for j, (model, key) in enumerate(names.items()):
        at = np.arange(len(rows)) + 0.55 * ((j + 0.5) / len(names) - 0.5)
        colour, marker = OKABE_ITO[j % len(OKABE_ITO)], "osDv^"[j % 5]
        axes.hlines(at, rows[f"{key}_lower"], rows[f"{key}_upper"], color=colour, linewidth=1.5)
        axes.plot(rows[key], at, linestyle="", marker=marker, color=colour, markersize=5)
        handles.append(Line2D([], [], color=colour, marker=marker, markersize=5))
        words.append(label(model, 40))
    axes.axvline(0, color="0.3", linewidth=1)
    axes.set_yticks(range(len(rows)), [label(name, 28) for name in rows.index])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.locator_params(axis="x", nbins=5)
    axes.set_xlabel(f"AUROC minus {REFERENCE}, same wells and resamples", fontsize=SMALL + 1)
    plain_axes(axes)
    legend_below(axes, handles, words, drop=0.5)
    return figure
