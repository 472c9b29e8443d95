"""Share of a known effect that is left after normalization, by how common the effect is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from harness.core.exceptions import NotApplicable
from harness.figure.base import FigureContext, FigureMember
from harness.plotting.style import OKABE_ITO, SMALL, add_headline, faint_grid, label, legend_below, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


_ARM = re.compile(r"audit/spike_in/([^/]+)/(prevalence|contrast|retention|spillover)")
YARDSTICK = {"contrast": 1.0, "retention": 1.0, "spillover": 0.0}  # if no effect depends on how common it is


class SpikeIn(FigureMember):
    """Part of a known effect that is left, against the share of treated wells that carry it, by arm of the spike-in.

    Left: contrast of spiked and other wells, relative to the yardstick. Right: displacement of the spiked wells
    (retention, filled) and of the other wells of the same plates (spillover, open). Dotted: the yardstick.
    """

    def tables(self, run: FigureContext) -> dict[str, pd.DataFrame]:
        """Return ``spike_in_prevalence``: arm, what (contrast, retention, spillover), prevalence, value, lower, upper.

        Raises NotApplicable if the audit holds none.
        """
        matches = [(m, f) for f in run.findings if (m := _ARM.fullmatch(f.key))]
        shares = {m.group(1): f.value for m, f in matches if m.group(2) == "prevalence"}
        rows = [
            {"arm": m.group(1), "what": m.group(2), "prevalence": shares[m.group(1)]}
            | {"value": f.value, "lower": f.lower, "upper": f.upper}
            for m, f in matches
            if m.group(2) in YARDSTICK and m.group(1) in shares and not np.isnan(f.value)
        ]
        if not rows:
            raise NotApplicable("the audit holds no spike-in")
        return {"spike_in_prevalence": pd.DataFrame(rows)}

    def draw(self, tables: dict[str, pd.DataFrame], run: FigureContext) -> dict[str, Figure]:
        """Return ``spike_in``: a panel of contrasts and one of displacements."""
        table = tables["spike_in_prevalence"]
        figure, panels = _new_panels(2)
        contrast = table["what"] == "contrast"
        _draw_panel(panels[0], table[contrast], "contrast, yardstick = 1")
        _draw_panel(panels[1], table[~contrast], "displacement: retention ●, spillover ○")
        counts = (
            "contrast: spiked against other wells in sd of the noise, relative to scaling each plate by its controls"
        )
        add_headline(figure, "Spike-in: is a known effect kept, however common it is?", run, counts)
        return {"spike_in": figure}


def _new_panels(n: int) -> tuple[Figure, list[Axes]]:
    """Return ``n`` axes in rows of up to three."""
    width, height, right, down = 1.9, 1.7, 0.55, 0.95  # inches; of axes, and between them
    figure, axes = new_figure(width, height, panels=n)
    columns, rows = min(n, 3), -(-n // 3)
    whole = columns * (width + right), rows * (height + down)
    figure.set_size_inches(*whole)
    for i, panel in enumerate(axes):
        x, bottom = (i % 3) * (width + right), (rows - 1 - i // 3) * (height + down)
        panel.set_position((x / whole[0], bottom / whole[1], width / whole[0], height / whole[1]))
    return figure, axes


def _draw_panel(axes: Axes, table: pd.DataFrame, title: str) -> None:
    handles: list[Any] = []
    names = []
    for i, (arm, findings) in enumerate(table.groupby("arm", sort=False)):
        colour = OKABE_ITO[i % len(OKABE_ITO)]
        for what, part in findings.groupby("what"):
            part = part.sort_values("prevalence")
            face = "none" if what == "spillover" else colour
            axes.vlines(part["prevalence"], part["lower"], part["upper"], color=colour, linewidth=1)
            axes.plot(
                part["prevalence"],
                part["value"],
                marker="o",
                markersize=4,
                color=colour,
                markerfacecolor=face,
                linestyle="",
            )
        handles.append(Line2D([], [], linestyle="", marker="o", color=colour))
        names.append(label(str(arm).replace("_", " ")))
    for level in {YARDSTICK[what] for what in table["what"]}:
        axes.axhline(level, color="0.5", linestyle=":", linewidth=1)
    axes.set_xlim(0, 1)
    axes.set_ylim(
        min(-0.15, float(np.nanmin(table["value"])) - 0.05), max(1.1, float(np.nanmax(table["value"])) + 0.05)
    )
    axes.set_xlabel("share of treated wells spiked", fontsize=SMALL)
    axes.set_title(title, fontsize=SMALL)
    axes.tick_params(labelsize=SMALL - 1)
    faint_grid(axes)
    axes.spines[["top", "right"]].set_visible(False)
    legend_below(axes, handles, names, drop=0.42)
