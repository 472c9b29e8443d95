"""The section on spiked-in effects: known effects in known wells, from the stored audits of all runs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.lines import Line2D

from harness.compare.comparison_group import ComparisonGroup
from harness.compare.plots import MOST_ROWS
from harness.compare.report_section import Cell, EmbeddedImage, Section
from harness.core import table_names
from harness.plotting.style import OKABE_ITO, SMALL, label, legend_below, new_figure, percent_range, plain_axes
from harness.tracking.stored_run import stored_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ARMS = {
    "matched": "this screen's own prevalence and layout",
    "sparse": "many effects in few wells each",
    "common": "90% on half of the plates",
    "position_bound": "20%, the same wells on every plate",
    "batch_bound": "5% to 90%, by batch",
}
EFFECTS = {
    "ratio": "size of small effects",
    "worst_ratio": "worst direction",
    "strength_ratio": "step on a strong effect",
    "auroc": "AUROC against unspiked wells",
    "told_apart": "AUROC of one effect against another",
}
CHECKS = ("spike_in", "effects_kept")
Findings = Mapping[str, Mapping[str, Any]]  # key of a finding to value, lower, upper, reason
Audits = Mapping[str, Findings]  # by norm


def spikes(group: ComparisonGroup) -> Section | None:
    """Return what each normalization did to known effects in known wells."""
    if group.table.empty:
        return None
    audits = spike_audits(group)
    charts = [spike_chart(audits, arm) for arm in spike_arms(audits)]
    values = {
        "any_spikes": bool(audits),
        "charts": [EmbeddedImage.from_figure(figure, caption=caption) for figure, caption in charts],
        "n_norms": len(audits),
        "most_rows": MOST_ROWS,
        "effects": list(EFFECTS.values()),
        "small_effects": _small_effects(audits),
        "failures": list(_failures(audits)),
        "without_spikes": [norm for norm in group.table["norm"] if norm not in audits] if audits else [],
    }
    return Section("spikes", "Spike-in", values)


def spike_audits(group: ComparisonGroup) -> Audits:
    """Return findings of the runs that have spike-ins, by norm, in the order of the leaderboard."""
    audits: dict[str, Findings] = {}
    for norm in group.ranked()["norm"]:
        run = group.runs[norm]
        if any(key.startswith(tuple(f"audit/{check}/" for check in CHECKS)) for key in run.metrics):
            table = stored_table(run, table_names.AUDIT)
            if table is not None:
                rows: Any = table.to_dict("records")
                audits[norm] = {str(row["key"]): row for row in rows}
    return audits


def spike_arms(audits: Audits) -> list[str]:
    """Return arms of the spike-in for which some norm has a contrast, in the order of :data:`ARMS`."""
    pattern = re.compile(r"audit/spike_in/([^/]+)/contrast")
    keys = [key for findings in audits.values() for key in findings if not np.isnan(_value(findings, key))]
    matches = [pattern.fullmatch(key) for key in keys]
    arms = list(dict.fromkeys(match.group(1) for match in matches if match))
    return sorted(arms, key=lambda arm: list(ARMS).index(arm) if arm in ARMS else len(ARMS))


def spike_chart(audits: Audits, arm: str) -> tuple[Figure, str]:
    """Return contrast with its interval and retention of one arm, a row per norm; and its caption."""
    key = f"audit/spike_in/{arm}"
    rows = [(norm, findings) for norm, findings in audits.items() if not np.isnan(_value(findings, f"{key}/contrast"))]
    findings_by_norm = dict(rows[:MOST_ROWS])

    def column(name: str, part: str = "value") -> list[float]:
        return [_value(findings, f"{key}/{name}", part) for findings in findings_by_norm.values()]

    figure, (axes,) = new_figure(2.6, 0.4 + 0.22 * len(findings_by_norm))
    y = range(len(findings_by_norm))
    axes.hlines(y, column("contrast", "lower"), column("contrast", "upper"), color=OKABE_ITO[0], linewidth=1.5)
    axes.plot(column("contrast"), y, "o", color=OKABE_ITO[0], markersize=6)
    axes.plot(column("retention"), y, "D", color=OKABE_ITO[3], markerfacecolor="none", markersize=6)
    axes.set_yticks(y, [label(norm) for norm in findings_by_norm])
    axes.set_ylim(len(findings_by_norm) - 0.5, -0.5)
    axes.axvline(1, color="0.5", linestyle=":", linewidth=1)
    left, right = axes.get_xlim()
    axes.set_xlim(min(left, 0), max(right, 1.08))
    axes.set_xlabel("1: kept as by the yardstick, 0: gone", fontsize=SMALL + 1)
    plain_axes(axes)
    styles = {"contrast": ("o", OKABE_ITO[0], OKABE_ITO[0]), "retention": ("D", OKABE_ITO[3], "none")}
    handles = [
        Line2D([], [], linestyle="", marker=marker, color=colour, markerfacecolor=face)
        for marker, colour, face in styles.values()
    ]
    legend_below(axes, handles, list(styles), drop=0.5)
    shares = column("prevalence")
    prevalence = f"spiked: {percent_range(np.nanmin(shares), np.nanmax(shares))} of treated wells"
    return figure, f"{arm} ({', '.join(filter(None, [ARMS.get(arm), prevalence]))})"


def _small_effects(audits: Audits) -> list[Sequence[object]]:
    """Return one row per norm with a value of any of :data:`EFFECTS`: its name and the values."""
    keys = [f"audit/effects_kept/{name}" for name in EFFECTS]
    measured = {norm: findings for norm, findings in audits.items() if any(key in findings for key in keys)}
    return [[norm, *(_estimate(findings, key) for key in keys)] for norm, findings in measured.items()]


def _failures(audits: Audits) -> Iterator[dict[str, str]]:
    """Yield checks that could not be made, with norm and reason."""
    for check in CHECKS:
        for norm, findings in audits.items():
            if f"audit/{check}" in findings:
                yield {"norm": norm, "check": check, "reason": findings[f"audit/{check}"]["reason"]}


def _estimate(findings: Findings, key: str) -> Cell:
    value, lower, upper = (_value(findings, key, part) for part in ("value", "lower", "upper"))
    return Cell.from_estimate(value, lower, upper)


def _value(findings: Findings, key: str, part: str = "value") -> float:
    return float(findings[key][part]) if key in findings else float("nan")
