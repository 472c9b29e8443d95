"""Bars next to a heatmap with the batches of its rows or columns, and labels that do not touch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import to_rgba

from harness.plotting.style import SMALL, label, spaced_labels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

PAD, WIDTH = 0.06, 0.09  # inches, between heatmap and bar and of the bar
LINE = 1.3 * SMALL / 72  # inches that a line of text takes


def stretches_of_equal(batch: Sequence[str]) -> list[tuple[int, int]]:
    """Return start and end (exclusive) of every stretch of equal values."""
    starts = [i for i in range(len(batch)) if i == 0 or batch[i] != batch[i - 1]]
    return list(zip(starts, [*starts[1:], len(batch)], strict=True))


def places_per_line(axes: Axes, n: int, *, along: str) -> float:
    """Return how many of ``n`` places along ``x`` or ``y`` a line of text covers."""
    inches = axes.get_window_extent().transformed(axes.figure.dpi_scale_trans.inverted())
    return n * LINE / (inches.width if along == "x" else inches.height)


def batch_bar(axes: Axes, batch: Sequence[str], colours: dict[str, Any], *, along: str, named: bool = False) -> None:
    """Draw a bar at the left (``along="y"``) or on top (``"x"``) of a heatmap, one cell per place, coloured by batch.

    ``named`` writes the batches next to a bar at the left. Lines cross the heatmap between batches if there is room
    for them.
    """
    n, vertical = len(batch), along == "y"
    inches = axes.get_window_extent().transformed(axes.figure.dpi_scale_trans.inverted())
    across = inches.width if vertical else inches.height
    pad, width = PAD / across, WIDTH / across
    bar = axes.inset_axes((-pad - width, 0.0, width, 1.0) if vertical else (0.0, 1.0 + pad, 1.0, width))
    cells = np.array([to_rgba(colours[name]) for name in batch])
    bar.imshow(cells[:, None] if vertical else cells[None], aspect="auto", interpolation="nearest")
    bar.set_axis_off()
    runs = stretches_of_equal(batch)
    if len(runs) * places_per_line(axes, n, along=along) <= n:
        for start, _ in runs[1:]:
            for each, colour in ((axes, "0.25"), (bar, "white")):
                (each.axhline if vertical else each.axvline)(start - 0.5, color=colour, linewidth=0.7)
    if vertical and named:
        middles = [(start + end - 1) / 2 for start, end in runs]
        for i in spaced_labels(middles, places_per_line(axes, n, along="y")):
            axes.annotate(
                label(batch[runs[i][0]], 16),
                (-2 * pad - width, middles[i]),
                xycoords=axes.get_yaxis_transform(),
                ha="right",
                va="center",
                fontsize=SMALL,
                annotation_clip=False,
            )


def thin_labels(n: int, preferred: Sequence[int], room: float) -> list[int]:
    """Return places 0..n-1 to label, at least ``room`` apart: of ``preferred`` as many as fit, then others between."""
    places = [preferred[i] for i in spaced_labels(preferred, room)]
    for i in range(n):
        if all(abs(i - other) >= room for other in places):
            places.append(i)
    return sorted(places)
