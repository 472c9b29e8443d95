"""What becomes of a known effect: how well it is found, and how much of it is left, by how common it is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from harness.figure.style import OKABE_ITO, SMALL, headline, label, legend_below, new_figure
from harness.types import NotApplicable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from harness.figure.base import FigureContext

_CURVE = re.compile(r"audit/detection/([^/]+)/(raw_)?auroc_at_(.+)")
_LEVEL = re.compile(r"audit/spike_in/([^/]+)/(retention|spillover)_at_(.+)")
_ARM = re.compile(r"audit/spike_in/([^/]+)/(prevalence|retention|spillover|contrast)")
RAW = {"retention": 1.0, "spillover": 0.0}  # profiles that nothing is done to: a spike stays what and where it is


class SpikeIn:
    """Detection curves, one panel per arm, raw beside them; and displacement against prevalence.

    Last panel: displacement of the spiked wells (retention, filled) and of the other wells of the same plates
    (spillover, open) against the share of treated wells that are spiked, as measured in arms of one prevalence and in
    the levels of those with several; 1 and 0 (dotted) is what raw profiles show.
    """

    def tables(self, run: FigureContext) -> dict[str, pd.DataFrame]:
        """``spike_in_detection``: arm, which (own, raw), amplitude, value, lower, upper. ``spike_in_prevalence``: arm,
        what (retention, spillover), prevalence, value, lower, upper.

        Raises NotApplicable where the audit holds neither.
        """
        curves, displaced = [], []
        shares = {
            m.group(1): f.value for f in run.findings if (m := _ARM.fullmatch(f.key)) and m.group(2) == "prevalence"
        }
        levelled = {m.group(1) for f in run.findings if (m := _LEVEL.fullmatch(f.key))}
        for f in run.findings:
            span = {"value": f.value, "lower": f.lower, "upper": f.upper}
            if m := _CURVE.fullmatch(f.key):
                which = "raw" if m.group(2) else "own"
                curves.append({"arm": m.group(1), "which": which, "amplitude": float(m.group(3)), **span})
            elif m := _LEVEL.fullmatch(f.key):
                displaced.append({"arm": m.group(1), "what": m.group(2), "prevalence": float(m.group(3)), **span})
            elif (m := _ARM.fullmatch(f.key)) and m.group(2) in RAW and m.group(1) not in levelled:
                displaced.append({"arm": m.group(1), "what": m.group(2), "prevalence": shares[m.group(1)], **span})
        if not curves and not displaced:
            raise NotApplicable("the audit holds no spike-in")
        spans = ["value", "lower", "upper"]
        return {
            "spike_in_detection": pd.DataFrame(curves, columns=["arm", "which", "amplitude", *spans]),
            "spike_in_prevalence": pd.DataFrame(displaced, columns=["arm", "what", "prevalence", *spans]),
        }

    def draw(self, tables: dict[str, pd.DataFrame], run: FigureContext) -> dict[str, Figure]:
        """``spike_in``: a panel per arm of the detection, then the one of displacements."""
        curves, displaced = tables["spike_in_detection"], tables["spike_in_prevalence"]
        arms = list(curves["arm"].unique())
        figure, panels = _grid(len(arms) + 1)
        for arm, panel in zip(arms, panels, strict=False):
            _draw_curve(panel, curves[curves["arm"] == arm])
            panel.set_title(f"detection, {label(arm.replace('_', ' '))}", fontsize=SMALL)
        if len(displaced):
            _draw_displaced(panels[-1], displaced)
        else:
            panels[-1].text(0.5, 0.5, "no displacement\nto show", ha="center", va="center", fontsize=SMALL)
            panels[-1].set_axis_off()
        counts = "detection: AUROC of spiked against other treated wells of held-out folds, by amplitude in control sd"
        headline(figure, "spike-in: is a known effect found, and is it kept?", run, counts)
        return {"spike_in": figure}


def _grid(n: int) -> tuple[Figure, list[Axes]]:
    """``n`` axes in rows of up to three."""
    width, height, right, down = 1.9, 1.7, 0.55, 0.95  # inches; of axes, and between them
    figure, axes = new_figure(width, height, panels=n)
    columns, rows = min(n, 3), -(-n // 3)
    whole = columns * (width + right), rows * (height + down)
    figure.set_size_inches(*whole)
    for i, panel in enumerate(axes):
        left, bottom = (i % 3) * (width + right), (rows - 1 - i // 3) * (height + down)
        panel.set_position((left / whole[0], bottom / whole[1], width / whole[0], height / whole[1]))
    return figure, axes


STYLES: dict[str, tuple[str, Any]] = {"own": (OKABE_ITO[0], "-"), "raw": ("black", "--")}


def _draw_curve(axes: Axes, table: pd.DataFrame) -> None:
    for which, own in table.groupby("which"):
        colour, line = STYLES[str(which)]
        own = own.sort_values("amplitude")
        axes.fill_between(own["amplitude"], own["lower"], own["upper"], color=colour, alpha=0.12, linewidth=0)
        axes.plot(own["amplitude"], own["value"], color=colour, linestyle=line, marker="o", markersize=3, linewidth=1.2)
    axes.axhline(0.5, color="0.5", linestyle=":", linewidth=1)
    axes.set_xscale("log")
    amplitudes = sorted(table["amplitude"].unique())
    axes.set_xticks(amplitudes, [f"{a:g}" for a in amplitudes], fontsize=SMALL - 1)
    axes.set_xticks([], minor=True)
    axes.set_ylim(min(0.4, float(np.nanmin(table["value"])) - 0.02), 1.02)
    axes.tick_params(labelsize=SMALL - 1)
    _plain(axes)
    handles = [Line2D([], [], color=colour, linestyle=line) for colour, line in STYLES.values()]
    legend_below(axes, handles, ["this run", "raw"], drop=0.3)


def _draw_displaced(axes: Axes, table: pd.DataFrame) -> None:
    handles: list[Any] = []
    names = []
    for i, (arm, own) in enumerate(table.groupby("arm", sort=False)):
        colour = OKABE_ITO[i % len(OKABE_ITO)]
        for what, part in own.groupby("what"):
            part = part.sort_values("prevalence")
            face = colour if what == "retention" else "none"
            axes.vlines(part["prevalence"], part["lower"], part["upper"], color=colour, linewidth=1)
            line = "-" if len(part) > 1 else ""
            axes.plot(
                part["prevalence"],
                part["value"],
                marker="o",
                markersize=4,
                color=colour,
                markerfacecolor=face,
                linestyle=line,
                linewidth=0.8,
            )
        handles.append(Line2D([], [], linestyle="", marker="o", color=colour))
        names.append(label(str(arm).replace("_", " ")))
    for level in RAW.values():
        axes.axhline(level, color="0.5", linestyle=":", linewidth=1)
    axes.set_xlim(0, 1)
    axes.set_ylim(
        min(-0.15, float(np.nanmin(table["value"])) - 0.05), max(1.1, float(np.nanmax(table["value"])) + 0.05)
    )
    axes.set_xlabel("share of treated wells spiked", fontsize=SMALL)
    axes.set_title("displacement: retention ●, spillover ○", fontsize=SMALL)
    axes.tick_params(labelsize=SMALL - 1)
    _plain(axes)
    legend_below(axes, handles, names, drop=0.42)


def _plain(axes: Axes) -> None:
    axes.grid(color="0.93", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
