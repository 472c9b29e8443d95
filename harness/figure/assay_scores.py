"""Number of assays that can be predicted, and how much better than their base rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter, PercentFormatter

from harness.core.exceptions import NotApplicable
from harness.core.score_schema import Over
from harness.figure.base import FigureContext, FigureMember
from harness.plotting.style import MEDIUM, OKABE_ITO, SMALL, add_headline, label, legend_below, new_figure, plain_axes
from harness.settings.annotated_types import Share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


METRICS = ("auroc", "average_precision", "base_rate")
MARKERS = ("o", "^", "s", "D", "v", "P")
TICKS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


class AssayScores(FigureMember):
    """One picture per task with several labels: AUROC and average precision of its assays.

    Left: share of assays whose AUROC, mean over held-out folds, is above x (Hofmarcher 2019 count the assays above
    0.7, 0.8 and 0.9). Right: average precision against the base rate, on logarithmic axes; a model without
    information lies on the diagonal.

    ``thresholds``: AUROCs that are marked, with the share of assays above them.
    """

    def __init__(self, *, thresholds: Sequence[Share] = (0.7, 0.8, 0.9)) -> None:
        self.thresholds = thresholds

    def tables(self, run: FigureContext) -> dict[str, pd.DataFrame]:
        """Return the scores by assay, and the shares of assays above the thresholds.

        ``assay_scores``: task, model, assay, auroc, average_precision, base_rate, n_folds, n, reason.
        ``assay_scores_shares``: task, model, threshold, n_above, n_scored, n_assays, share (of the scored assays).

        Scores are means over the ``n_folds`` held-out folds that hold both classes of the assay, so that average
        precision and base rate belong to the same compounds; ``n`` is their number, summed over those folds. NaN if
        there is no such fold; ``reason`` says why.

        Raises NotApplicable if no task has groups, or a metric was not computed.
        """
        scores = run.scores
        if scores is None or "group" not in scores or not (scores["group"] != "").any():
            raise NotApplicable("no task has several labels, such as assays")
        by_assay = scores[(scores["group"] != "") & scores["metric"].isin(METRICS)]
        if absent := [name for name in METRICS if name not in set(by_assay["metric"])]:
            raise NotApplicable(f"needs the metrics {', '.join(METRICS)}; {', '.join(absent)} was not computed")
        keys = ["task", "model", "group"]
        folds = by_assay[by_assay["over"] == Over.FOLD].set_index([*keys, "fold"])
        by_metric = {name: folds[folds["metric"] == name] for name in METRICS}
        auroc = by_metric["auroc"]
        both = auroc["value"].notna()
        values = pd.DataFrame({name: rows["value"] for name, rows in by_metric.items()})
        table = values.where(both).groupby(keys, sort=False).mean()
        table["n_folds"] = both.groupby(keys).sum()
        table["n"] = auroc["n"].where(both, 0).groupby(keys).sum()
        table["reason"] = auroc["reason"].groupby(keys).first().where(table["n_folds"] == 0, "")
        table = table.reset_index().rename(columns={"group": "assay"})
        return {"assay_scores": table, "assay_scores_shares": self._shares(table)}

    def _shares(self, table: pd.DataFrame) -> pd.DataFrame:
        rows = []
        for (task, model), part in table.groupby(["task", "model"], sort=False):
            scored = part["auroc"].dropna()
            for threshold in self.thresholds:
                above = int((scored > threshold).sum())
                share = above / len(scored) if len(scored) else np.nan
                row = {"task": task, "model": model, "threshold": threshold, "n_above": above}
                rows.append({**row, "n_scored": len(scored), "n_assays": len(part), "share": share})
        return pd.DataFrame(rows)

    def draw(self, tables: dict[str, pd.DataFrame], run: FigureContext) -> dict[str, Figure]:
        """Return ``assay_scores_<task>`` for every task with at least one assay that could be scored."""
        figures = {}
        for task, table in tables["assay_scores"].groupby("task", sort=False):
            if not table["auroc"].notna().any():
                continue
            shares = tables["assay_scores_shares"]
            figure, (left, right) = new_figure(2.9, 2.9, panels=2, gap=0.75)
            self._draw_shares(left, table, shares[shares["task"] == task])
            _draw_precision(right, table)
            total, unscored = table["assay"].nunique(), table.groupby("model")["auroc"].apply(lambda v: v.isna().sum())
            counts = f"n = {total:,} assays; scores of an assay: mean over held-out folds with both classes"
            if unscored.max():
                least, most = unscored.min(), unscored.max()
                counts += f" · not scored: {most:,}" if least == most else f" · not scored: {least:,} to {most:,}"
            add_headline(figure, f"{label(task)}: scores by assay", run, counts)
            figures[f"assay_scores_{task}"] = figure
        return figures

    def _draw_shares(self, axes: Axes, table: pd.DataFrame, shares: pd.DataFrame) -> None:
        handles, labels = [], []
        for threshold in self.thresholds:
            axes.axvline(threshold, color="0.6", linestyle=":", linewidth=0.9, zorder=1)
        for i, (model, part) in enumerate(table.groupby("model", sort=False)):
            colour, marker = OKABE_ITO[i % len(OKABE_ITO)], MARKERS[i % len(MARKERS)]
            scored = np.sort(part["auroc"].dropna())
            if not len(scored):
                continue
            remaining = 1 - np.arange(len(scored)) / len(scored)
            axes.step(
                np.r_[0, scored, scored[-1]], np.r_[1, remaining, 0], where="pre", color=colour, linewidth=1.5, zorder=2
            )
            reached = shares[shares["model"] == model]
            axes.plot(
                reached["threshold"],
                reached["share"],
                linestyle="",
                marker=marker,
                color=colour,
                markersize=4.5,
                clip_on=False,
            )
            handles.append(Line2D([], [], color=colour, marker=marker, markersize=4.5))
            shares_above = " · ".join(f"{share:.0%}" for share in reached["share"])
            labels.append(f"{label(model)}  {shares_above}" if shares_above else label(model))
        lowest = float(np.nanmin(table["auroc"]))
        axes.set_xlim(max(0.0, min(0.45, lowest - 0.02)), 1.0)
        axes.set_ylim(0, 1.02)
        axes.axvline(0.5, color="0.6", linewidth=0.9, zorder=1)
        axes.text(0.5, 0.02, "chance ", rotation=90, ha="right", va="bottom", fontsize=SMALL - 1, color="0.45")
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.set_xlabel("AUROC above", fontsize=SMALL)
        axes.set_ylabel("share of scored assays", fontsize=SMALL)
        axes.set_title("share of assays above an AUROC", fontsize=MEDIUM)
        plain_axes(axes)
        title = "share with AUROC above " + " · ".join(f"{threshold:g}" for threshold in self.thresholds)
        legend_below(axes, handles, labels, drop=0.45, title=title if self.thresholds else None)


def _draw_precision(axes: Axes, table: pd.DataFrame) -> None:
    both = table.dropna(subset=list(METRICS))
    lowest = float(min(both["base_rate"].min(), both["average_precision"].min()))
    low = max((tick for tick in TICKS if tick < lowest), default=lowest / 2)
    axes.plot([low, 1], [low, 1], color="0.5", linestyle=":", linewidth=1, zorder=1)
    handles, labels = [], []
    for i, (model, part) in enumerate(both.groupby("model", sort=False)):
        colour, marker = OKABE_ITO[i % len(OKABE_ITO)], MARKERS[i % len(MARKERS)]
        axes.plot(
            part["base_rate"], part["average_precision"], linestyle="", marker=marker, color=colour,
            markersize=4 if len(part) < 60 else 3, alpha=0.75, markeredgewidth=0,
        )  # fmt: skip
        ratio = (part["average_precision"] / part["base_rate"]).median()
        handles.append(Line2D([], [], color=colour, marker=marker, markersize=4.5, linestyle=""))
        labels.append(f"{label(model)}  {ratio:.2f}")
    axes.set(xscale="log", yscale="log", xlim=(low, 1.05), ylim=(low, 1.05))
    ticks = [tick for tick in TICKS if tick >= low]
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(ticks, [f"{tick:g}" for tick in ticks])
        axis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("base rate (share of actives)", fontsize=SMALL)
    axes.set_ylabel("average precision", fontsize=SMALL)
    axes.set_title("average precision against base rate", fontsize=MEDIUM)
    plain_axes(axes)
    axes.minorticks_off()
    legend_below(axes, handles, labels, drop=0.45, title="median of average precision / base rate")
