"""Values with their intervals, one row each, from top to bottom."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.plotting.style import SMALL, faint_grid, label

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.axes import Axes

HEIGHT = 0.24  # inches a row


def draw_intervals(
    axes: Axes, table: pd.DataFrame, names: Sequence[str], colours: Sequence[str], *, what: str, nothing: float
) -> None:
    """Draw a dot with its interval per row of ``table`` (value, lower, upper), name at the left, number at the right.

    ``nothing`` is the value without information, drawn as a line; ``what`` the label of the axis. The row of an
    undefined value holds the word ``undefined``.
    """
    numbers = table[["value", "lower", "upper"]].to_numpy(dtype=np.float64).tolist()
    for y, ((value, lower, upper), colour) in enumerate(zip(numbers, colours, strict=True)):
        text = "undefined"
        if np.isfinite(value):
            axes.hlines(y, lower, upper, color=colour, linewidth=1.6)
            axes.plot(value, y, marker="o", color=colour, markersize=5)
            text = f"{value:.2f}" + (f" [{lower:.2f}, {upper:.2f}]" if np.isfinite(lower) else "")
        axes.annotate(text, xy=(1.02, y), xycoords=("axes fraction", "data"), va="center", fontsize=SMALL)
    axes.axvline(nothing, color="0.5", linestyle=":", linewidth=1)
    axes.set_yticks(range(len(names)), [label(name, 40) for name in names], fontsize=SMALL)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlabel(what, fontsize=SMALL)
    axes.tick_params(axis="x", labelsize=SMALL)
    axes.tick_params(axis="y", length=0)
    faint_grid(axes, "x")
