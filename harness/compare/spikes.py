"""What became of spiked-in effects, norms side by side: pictures and tables from the stored audits."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from harness.compare.html import Html, join, tag
from harness.compare.plots import MOST_ROWS, plain
from harness.compare.table import REFERENCE
from harness.compare.terminal import number
from harness.figure.style import OKABE_ITO, SMALL, label, legend_below, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ARMS = {
    "matched": "this screen's own prevalence and layout",
    "sparse": "5% of treated wells",
    "common": "90% on half of the plates",
    "position_bound": "20%, the same wells on every plate",
    "batch_bound": "5% to 90%, by batch",
}
MOST_CURVES = 8
Found = Mapping[str, Mapping[str, Any]]  # key of a finding to value, lower, upper, reason
Audits = Mapping[str, Found]  # by norm
_CURVE = re.compile(r"audit/detection/([^/]+)/(raw_)?auroc_at_(.+)")


def arms(audits: Audits, check: str, finding: str) -> list[str]:
    """Arms of a check for which some norm has a value of ``finding``, known ones first."""
    pattern = re.compile(rf"audit/{check}/([^/]+)/{finding}")
    matches = [pattern.fullmatch(key) for table in audits.values() for key in table]
    found = list(dict.fromkeys(match.group(1) for match in matches if match))
    return sorted(found, key=lambda arm: list(ARMS).index(arm) if arm in ARMS else len(ARMS))


def value(found: Found, key: str, column: str = "value") -> float:
    return float(found[key][column]) if key in found else float("nan")


def spread(low: float, high: float, digits: int = 0) -> str:
    """A percentage, or the range where two differ."""
    first, last = f"{100 * low:.{digits}f}", f"{100 * high:.{digits}f}"
    return f"{first}%" if first == last else f"{first} to {last}%"


def spike_chart(audits: Audits, arm: str) -> tuple[Figure, str]:
    """Contrast with its interval and retention of one arm, a row per norm; and its caption."""
    key = f"audit/spike_in/{arm}"
    known = [(n, t) for n, t in audits.items() if not np.isnan(value(t, f"{key}/contrast"))]
    shown = dict(known[:MOST_ROWS])
    figure, (axes,) = new_figure(2.6, 0.4 + 0.22 * len(shown))
    y = range(len(shown))
    contrast, low, high = (
        [value(table, f"{key}/contrast", column) for table in shown.values()] for column in ("value", "lower", "upper")
    )
    retention = [value(table, f"{key}/retention") for table in shown.values()]
    axes.hlines(y, low, high, color=OKABE_ITO[0], linewidth=1.5)
    axes.plot(contrast, y, "o", color=OKABE_ITO[0], markersize=6)
    axes.plot(retention, y, "D", color=OKABE_ITO[3], markerfacecolor="none", markersize=6)
    axes.set_yticks(range(len(shown)), [label(norm) for norm in shown])
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.axvline(1, color="0.5", linestyle=":", linewidth=1)
    left, right = axes.get_xlim()
    axes.set_xlim(min(left, 0), max(right, 1.08))
    axes.set_xlabel("1: kept as if it were rare, 0: gone", fontsize=SMALL + 1)
    plain(axes)
    styles = {"contrast": ("o", OKABE_ITO[0], OKABE_ITO[0]), "retention": ("D", OKABE_ITO[3], "none")}
    handles = [
        Line2D([], [], linestyle="", marker=marker, color=colour, markerfacecolor=face)
        for marker, colour, face in styles.values()
    ]
    legend_below(axes, handles, list(styles), drop=0.5)
    shares = [value(table, f"{key}/prevalence") for table in shown.values()]
    prevalence = f"spiked: {spread(np.nanmin(shares), np.nanmax(shares))} of treated wells"
    return figure, f"{arm} ({', '.join(filter(None, [ARMS.get(arm), prevalence]))})"


def curves(table: Found, arm: str) -> dict[str, pd.DataFrame]:
    """``own`` and ``raw`` detection curves of one arm: columns ``amplitude, value, lower, upper``, ascending."""
    rows: dict[str, list[dict[str, Any]]] = {"own": [], "raw": []}
    for key in table:
        match = _CURVE.fullmatch(key)
        if match and match.group(1) == arm:
            at = {column: value(table, key, column) for column in ("value", "lower", "upper")}
            rows["raw" if match.group(2) else "own"].append({"amplitude": float(match.group(3)), **at})
    return {which: pd.DataFrame(found).sort_values("amplitude") for which, found in rows.items() if found}


def detection_chart(audits: Audits, arm: str) -> Figure | None:
    """AUROC of spiked against unspiked wells by amplitude, the first :data:`MOST_CURVES` norms; raw dashed in black."""
    read = ((norm, curves(table, arm)) for norm, table in audits.items() if norm != REFERENCE)
    found = dict(islice(((norm, both) for norm, both in read if "own" in both), MOST_CURVES))
    if not found:
        return None
    figure, (axes,) = new_figure(3.5, 2.9)
    raw = next((both["raw"] for both in found.values() if "raw" in both), None)
    handles, names = [], []
    for i, (norm, both) in enumerate(found.items()):
        colour, marker = OKABE_ITO[i], "osDv^P*X"[i]
        own = both["own"]
        axes.fill_between(own["amplitude"], own["lower"], own["upper"], color=colour, alpha=0.1, linewidth=0)
        axes.plot(own["amplitude"], own["value"], color=colour, marker=marker, markersize=5, linewidth=1.4)
        handles.append(Line2D([], [], color=colour, marker=marker, markersize=5))
        names.append(label(norm))
    if raw is not None:
        axes.plot(raw["amplitude"], raw["value"], color="black", linestyle="--", linewidth=1.6)
        handles.append(Line2D([], [], color="black", linestyle="--"))
        names.append("raw profiles")
    axes.axhline(0.5, color="0.5", linestyle=":", linewidth=1)
    axes.set_xscale("log")
    ticks = next(iter(found.values()))["own"]["amplitude"].tolist()
    axes.set_xticks(ticks, [f"{a:g}" for a in ticks])
    axes.set_xticks([], minor=True)
    axes.set_xlabel("amplitude of the spike (control sd)", fontsize=SMALL + 1)
    axes.set_ylabel("AUROC, held-out folds", fontsize=SMALL + 1)
    plain(axes)
    legend_below(axes, handles, names, drop=0.5)
    return figure


def with_interval(low: float, high: float, shown: str) -> Html:
    """A number and, below it in small print, its interval where it has one."""
    span = "" if np.isnan(low) or np.isnan(high) else f"[{number(low)}, {number(high)}]"
    return join([shown, tag("small", span)]) if span else join([shown])


def cell(table: Found, key: str) -> Html:
    low, high = value(table, key, "lower"), value(table, key, "upper")
    return with_interval(low, high, number(value(table, key)))


def summary_rows(audits: Audits, keys: Sequence[str]) -> list[list[object]]:
    """One row per norm with a value of any of ``keys``: its name and the values."""
    found = {norm: table for norm, table in audits.items() if any(key in table for key in keys)}
    return [[norm, *(cell(table, key) for key in keys)] for norm, table in found.items()]
