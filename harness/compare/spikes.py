"""What became of spiked-in effects, norms side by side: pictures and tables from the stored audits."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.lines import Line2D

from harness.compare.html import Html, join, tag
from harness.compare.plots import MOST_ROWS, plain
from harness.compare.terminal import number
from harness.plotting.style import OKABE_ITO, SMALL, label, legend_below, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ARMS = {
    "matched": "this screen's own prevalence and layout",
    "sparse": "many effects in few wells each",
    "common": "90% on half of the plates",
    "position_bound": "20%, the same wells on every plate",
    "batch_bound": "5% to 90%, by batch",
}
Found = Mapping[str, Mapping[str, Any]]  # key of a finding to value, lower, upper, reason
Audits = Mapping[str, Found]  # by norm


def arms(audits: Audits, check: str, finding: str) -> list[str]:
    """Return arms of a check for which some norm has a value of ``finding``, known ones first."""
    pattern = re.compile(rf"audit/{check}/([^/]+)/{finding}")
    keys = [key for table in audits.values() for key in table if not np.isnan(value(table, key))]
    matches = [pattern.fullmatch(key) for key in keys]
    found = list(dict.fromkeys(match.group(1) for match in matches if match))
    return sorted(found, key=lambda arm: list(ARMS).index(arm) if arm in ARMS else len(ARMS))


def value(found: Found, key: str, column: str = "value") -> float:
    return float(found[key][column]) if key in found else float("nan")


def spread(low: float, high: float, digits: int = 0) -> str:
    """Return a percentage, or the range where two differ."""
    first, last = f"{100 * low:.{digits}f}", f"{100 * high:.{digits}f}"
    return f"{first}%" if first == last else f"{first} to {last}%"


def spike_chart(audits: Audits, arm: str) -> tuple[Figure, str]:
    """Return contrast with its interval and retention of one arm, a row per norm; and its caption."""
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
    axes.set_xlabel("1: kept as by the yardstick, 0: gone", fontsize=SMALL + 1)
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


def with_interval(low: float, high: float, shown: str) -> Html:
    """Return a number and, below it in small print, its interval where it has one."""
    span = "" if np.isnan(low) or np.isnan(high) else f"[{number(low)}, {number(high)}]"
    return join([shown, tag("small", span)]) if span else join([shown])


def cell(table: Found, key: str) -> Html:
    low, high = value(table, key, "lower"), value(table, key, "upper")
    return with_interval(low, high, number(value(table, key)))


def summary_rows(audits: Audits, keys: Sequence[str]) -> list[list[object]]:
    """Return one row per norm with a value of any of ``keys``: its name and the values."""
    found = {norm: table for norm, table in audits.items() if any(key in table for key in keys)}
    return [[norm, *(cell(table, key) for key in keys)] for norm, table in found.items()]
