"""Panels in rows and columns, as :func:`harness.plotting.style.new_figure` makes them in a row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from harness.plotting.style import DPI

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def new_grid(
    rows: int, columns: int, *, width: float, height: float, gaps: tuple[float, float]
) -> tuple[Figure, list[list[Axes]]]:
    """Return a figure with ``rows`` x ``columns`` axes of ``width`` x ``height`` inches, ``gaps`` across and down."""
    across, down = gaps
    total = (columns * width + (columns - 1) * across, rows * height + (rows - 1) * down)
    figure = Figure(figsize=total, dpi=DPI)
    FigureCanvasAgg(figure)

    def place(row: int, column: int) -> Axes:
        left, top = column * (width + across) / total[0], row * (height + down) / total[1]
        return figure.add_axes((left, 1 - top - height / total[1], width / total[0], height / total[1]))

    return figure, [[place(row, column) for column in range(columns)] for row in range(rows)]
