"""Plate-by-plate correlation of plate medians: batches show as light squares on the diagonal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.patches import Patch, Rectangle

from harness.figure.medians import correlate, plate_medians, within_minus_between
from harness.figure.style import SMALL, batch_colours, headline, label, new_figure, spaced
from harness.types import NotApplicable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from harness.figure.base import FigureContext
    from harness.types import Doubles

MOST_LABELS = 44  # of the smallest font along one side


class PlateCorrelation:
    """Heatmap of the Pearson correlation between plates, plates in order of appearance.

    A plate is described by its feature-wise median over control wells that the normalizer did not use:
    medians of the controls that it did use are about 0 by construction, and their correlations mean nothing.
    Where there are no such wells (no held-out pass, or a plate with fewer than ``min_heldout`` of them) all
    plates are described by the median of their treated wells, and the title says so.
    """

    def __init__(self, *, min_heldout: int = 2) -> None:
        self.min_heldout = min_heldout

    def tables(self, run: FigureContext) -> dict[str, pd.DataFrame]:
        """``plate_correlation``: every ordered pair of plates, row by row (plate_a, plate_b, batch_a,
        batch_b, correlation); ``plate_correlation_plates``: plate, batch, medians_of, n_wells in the same
        order.

        Raises NotApplicable with fewer than 3 plates, or where fewer than 2 features vary over plates.
        """
        medians, plates = self._medians(run)
        first, second = (grid.ravel() for grid in np.indices((len(plates), len(plates))))
        name, batch = plates["plate"].to_numpy(), plates["batch"].to_numpy()
        pairs = pd.DataFrame(
            {
                "plate_a": name[first],
                "plate_b": name[second],
                "batch_a": batch[first],
                "batch_b": batch[second],
                "correlation": correlate(medians).ravel(),
            }
        )
        return {"plate_correlation": pairs, "plate_correlation_plates": plates}

    def _medians(self, run: FigureContext) -> tuple[Doubles, pd.DataFrame]:
        if run.heldout is not None:
            medians, plates = plate_medians(run.heldout, heldout=True)
            if (plates["n_wells"] >= self.min_heldout).all():
                return medians, plates
        return plate_medians(run.normalized, heldout=False)

    def draw(self, tables: dict[str, pd.DataFrame], run: FigureContext) -> dict[str, Figure]:
        """One heatmap on a fixed scale from -1 to 1, so that normalizations can be laid side by side."""
        pairs, plates = tables["plate_correlation"], tables["plate_correlation_plates"]
        n = len(plates)
        matrix = pairs["correlation"].to_numpy().reshape(n, n)
        figure, (axes,) = new_figure(5.8, 5.8)
        image = axes.imshow(matrix, cmap="cividis", vmin=-1, vmax=1, interpolation="nearest")
        bar = figure.colorbar(image, cax=axes.inset_axes((1.03, 0.15, 0.03, 0.85)))
        bar.set_label("Pearson correlation of plate medians", fontsize=SMALL)
        bar.ax.tick_params(labelsize=SMALL)
        _mark_batches(axes, plates["batch"].tolist())
        ticks = spaced(range(n), n / MOST_LABELS)
        names = [label(plates["plate"].iloc[i], 16) for i in ticks]
        axes.set_xticks(ticks, names, rotation=90, fontsize=SMALL)
        axes.set_yticks([])
        if np.isnan(matrix).any():
            axes.patch.set(facecolor="0.92", edgecolor="0.6", hatch="////")
            patch = Patch(facecolor="0.92", edgecolor="0.6", hatch="////")
            axes.legend([patch], ["undefined"], loc=(1.015, 0.0), fontsize=SMALL, frameon=False, handlelength=1.0)
        what = f"Correlation between plates: medians of {plates['medians_of'].iloc[0]}"
        wells, batches = plates["n_wells"].sum(), plates["batch"].nunique()
        counts = f"n = {wells:,} wells on {n:,} plates in {batches:,} batches"
        try:
            counts += f" · within minus between batches {within_minus_between(pairs):+.2f}"
        except NotApplicable as absent:
            counts += f" · {absent.reason}"
        headline(figure, what, run, counts)
        return {"plate_correlation": figure}


def _mark_batches(axes: Axes, batch: list[str]) -> None:
    """Lines where the batch changes, coloured bars along the top and the left, names at the left."""
    n, colours = len(batch), batch_colours(batch)
    starts = [i for i in range(n) if i == 0 or batch[i] != batch[i - 1]]
    ends = [*starts[1:], n]
    pad, width = 0.012 * n, 0.02 * n
    for start, end in zip(starts, ends, strict=True):
        style = {"facecolor": colours[batch[start]], "edgecolor": "white", "linewidth": 0.5, "clip_on": False}
        axes.add_patch(Rectangle((-0.5 - pad - width, start - 0.5), width, end - start, **style))
        axes.add_patch(Rectangle((start - 0.5, -0.5 - pad - width), end - start, width, **style))
    for start in starts[1:] if len(starts) <= MOST_LABELS else []:
        axes.axhline(start - 0.5, color="white", linewidth=0.9)
        axes.axvline(start - 0.5, color="white", linewidth=0.9)
    middles = [(start + end - 1) / 2 for start, end in zip(starts, ends, strict=True)]
    for i in spaced(middles, n / MOST_LABELS):
        at = (-0.5 - 2 * pad - width, middles[i])
        axes.text(*at, label(batch[starts[i]], 16), ha="right", va="center", fontsize=SMALL)
