"""ROC and precision-recall curves on batches that the model has never seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D
from sklearn.metrics import auc, precision_recall_curve, roc_curve

from harness.core.exceptions import NotApplicable
from harness.figure.base import FigureContext, FigureMember
from harness.plotting.curve import mean_curve, precision_recall_steps, thin_curve
from harness.plotting.style import MEDIUM, OKABE_ITO, SMALL, add_headline, faint_grid, label, legend_below, new_figure
from harness.settings.limits import Between

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from harness.core.evaluation import Evaluation

TITLE = {"roc": "ROC", "pr": "precision-recall"}
AXES = {"roc": ("false positive rate", "true positive rate"), "pr": ("recall", "precision")}
SCORE = {"roc": "AUROC", "pr": "average precision"}


class RocPr(FigureMember):
    """One picture per task and model: ROC at the left, precision-recall at the right, one line per fold.

    Up to 8 folds are coloured and named with their scores; more are thin lines under their mean. Folds are
    never pooled: a shift of a whole batch would look like a ranking within it. Tasks with many labels are left out.
    """

    def __init__(self, *, max_points: Annotated[int, Between(2, 1_000_000)] = 200) -> None:
        self.max_points = max_points

    def tables(self, run: FigureContext) -> dict[str, pd.DataFrame]:
        """Return ``roc_pr``: task, model, line, fold, curve (roc or pr), x, y, value, base_rate, n, reason.

        ``line`` counts the folds of a task and model. x, y: false and true positive rate, or recall and
        precision, at most ``max_points`` vertices a curve. ``value``: AUROC or average precision, from all
        points. A fold with one class has one row, with NaN for x, y and value, and says so in ``reason``,
        which is empty elsewhere.

        Raises NotApplicable if no fold has both classes.
        """
        parts = [
            self._curves(e).assign(task=task, model=model, line=line, fold=e.split.name, n=len(e.y))
            for (task, model), folds in run.evaluations.items()
            for line, e in enumerate(e for e in folds if not e.group)
        ]
        if run.evaluations and not parts:
            raise NotApplicable("every task of this run has many labels; curves are drawn of tasks with one")
        if not any(part["value"].notna().any() for part in parts):
            raise NotApplicable(f"none of {len(parts)} evaluated folds has both classes")
        table = pd.concat(parts, ignore_index=True)
        columns = ["task", "model", "line", "fold", "curve", "x", "y", "value", "base_rate", "n", "reason"]
        return {"roc_pr": table[columns]}

    def _curves(self, e: Evaluation) -> pd.DataFrame:
        base = float(np.mean(e.y)) if len(e.y) else np.nan
        if len(np.unique(e.y)) < 2:
            row = {"curve": "roc", "x": np.nan, "y": np.nan, "value": np.nan, "base_rate": base}
            return pd.DataFrame([{**row, "reason": "one class only"}])
        fpr, tpr, _ = roc_curve(e.y, e.score)
        precision, recall, _ = precision_recall_curve(e.y, e.score)
        parts = []
        for curve, (x, y) in {"roc": (fpr, tpr), "pr": precision_recall_steps(precision, recall)}.items():
            vertices = thin_curve(x, y, limit=self.max_points)
            part = {"curve": curve, "x": x[vertices], "y": y[vertices], "value": float(auc(x, y))}
            parts.append(pd.DataFrame(part))
        return pd.concat(parts).assign(base_rate=base, reason="")

    def draw(self, tables: dict[str, pd.DataFrame], run: FigureContext) -> dict[str, Figure]:
        """Return ``roc_pr_<task>_<model>`` for every task and model with at least one fold of two classes."""
        figures = {}
        for (task, model), table in tables["roc_pr"].groupby(["task", "model"], sort=False):
            curves, absent = table[table["reason"] == ""], table[table["reason"] != ""]
            if curves.empty:
                continue
            figure, panels = new_figure(3.4, 3.4, panels=2, gap=0.75)
            for axes, curve in zip(panels, AXES, strict=True):
                _draw_panel(axes, curves[curves["curve"] == curve], curve)
            lines = curves.drop_duplicates("line")
            counts = f"n = {lines['n'].sum():,} held-out wells in {len(lines):,} folds"
            if len(absent):
                names = ", ".join(label(fold, 16) for fold in absent["fold"].iloc[:4])
                more = f" and {len(absent) - 4:,} more" if len(absent) > 4 else ""
                counts += f" · left out, one class only: {names}{more}"
            add_headline(figure, f"{label(task)}, {label(model)}: held-out folds", run, counts)
            figures[f"roc_pr_{task}_{model}"] = figure
        return figures


def _draw_panel(axes: Axes, curves: pd.DataFrame, curve: str) -> None:
    lines = [line for _, line in curves.groupby("line", sort=False)]
    many = curves["line"].max() >= len(OKABE_ITO)
    _draw_many(axes, lines, curve) if many else _draw_few(axes, lines, curve)
    if curve == "roc":
        axes.plot([0, 1], [0, 1], color="0.5", linestyle=":", linewidth=1, zorder=1)
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    axes.set_xlabel(AXES[curve][0], fontsize=SMALL)
    axes.set_ylabel(AXES[curve][1], fontsize=SMALL)
    axes.set_title(TITLE[curve], fontsize=MEDIUM)
    axes.tick_params(labelsize=SMALL)
    faint_grid(axes)


def _draw_few(axes: Axes, lines: list[pd.DataFrame], curve: str) -> None:
    handles: list[Any] = []
    labels = []
    bases = list(dict.fromkeys(f"{line['base_rate'].iloc[0]:.3f}" for line in lines))
    for line in lines:
        first = line.iloc[0]
        colour = OKABE_ITO[int(first["line"])]
        handles += axes.plot(line["x"], line["y"], color=colour, linewidth=1.4)
        labels.append(f"{label(first['fold'], 16)}  {first['value']:.3f}")
        if curve == "pr":
            shade = colour if len(bases) > 1 else "0.4"
            axes.axhline(first["base_rate"], color=shade, linestyle=":", linewidth=1.2, zorder=1)
            labels[-1] += f" (base {first['base_rate']:.3f})" if len(bases) > 1 else ""
    if curve == "pr" and len(bases) == 1:
        handles.append(Line2D([], [], color="0.4", linestyle=":", linewidth=1.2))
        labels.append(f"base rate  {bases[0]}")
    legend_below(axes, handles, labels, drop=0.45, title=f"held out: {SCORE[curve]}")


def _draw_many(axes: Axes, lines: list[pd.DataFrame], curve: str) -> None:
    for line in lines:
        axes.plot(line["x"], line["y"], color="#56B4E9", linewidth=0.6, alpha=max(0.15, min(0.7, 12 / len(lines))))
    axes.plot(*mean_curve([(line["x"].to_numpy(), line["y"].to_numpy()) for line in lines]), color="black")
    value = np.array([line["value"].iloc[0] for line in lines])
    base = np.array([line["base_rate"].iloc[0] for line in lines])
    bases = list(dict.fromkeys(f"{rate:.3f}" for rate in (base.min(), base.max())))
    handles = [Line2D([], [], color="black"), Line2D([], [], color="#56B4E9", linewidth=1)]
    labels = [
        f"mean of {len(lines):,} folds  {value.mean():.3f}",
        f"folds  {value.min():.3f} to {value.max():.3f}",
    ]
    if curve == "pr":
        axes.axhspan(base.min(), base.max(), color="0.5", alpha=0.2, linewidth=0)
        axes.axhline(base.mean(), color="0.35", linestyle=":", linewidth=1.2)
        handles.append(Line2D([], [], color="0.35", linestyle=":"))
        labels.append(f"base rate  {' to '.join(bases)}")
    legend_below(axes, handles, labels, drop=0.45, title=f"held out: {SCORE[curve]}")
