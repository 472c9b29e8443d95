"""Scores of every held-out fold with their intervals, by model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.lines import Line2D

from harness.core.exceptions import NotApplicable
from harness.core.score_schema import Over
from harness.figure.base import FigureContext, FigureMember
from harness.plotting.style import (
    OKABE_ITO,
    SMALL,
    add_headline,
    faint_grid,
    label,
    legend_below,
    new_figure,
    spaced_labels,
)
from harness.settings.annotated_types import Name

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


MOST_ROWS = 40


class Scores(FigureMember):
    """One picture per task: a row per fold, a dot with its interval per model.

    ``chance`` is the value of a model without information, drawn as a line.
    """

    def __init__(self, *, metric: Name = "auroc", chance: float = 0.5) -> None:
        self.metric = metric
        self.chance = chance

    def tables(self, run: FigureContext) -> dict[str, pd.DataFrame]:
        """Return ``scores_<metric>``: task, model, fold, value, lower, upper; NaN if undefined.

        Raises NotApplicable if ``run.scores`` is absent or holds no value of the metric.
        """
        if run.scores is None:
            raise NotApplicable("no table of scores")
        table = run.scores[run.scores["metric"] == self.metric]
        if "group" in table:  # single labels of a task with many would be too many rows
            table = table[(table["group"] == "") & table["over"].isin([Over.FOLD, Over.MEAN, Over.POOLED])]
        if not table["value"].notna().any():
            raise NotApplicable(f"no fold has a defined {self.metric}")
        columns = ["task", "model", "fold", "value", "lower", "upper"]
        return {f"scores_{self.metric}": table[columns].reset_index(drop=True)}

    def draw(self, tables: dict[str, pd.DataFrame], run: FigureContext) -> dict[str, Figure]:
        """Return ``scores_<metric>_<task>``: folds from top to bottom in order of appearance."""
        figures = {}
        for task, table in tables[f"scores_{self.metric}"].groupby("task", sort=False):
            if not table["value"].notna().any():
                continue
            folds, models = list(table["fold"].unique()), list(table["model"].unique())
            figure, (axes,) = new_figure(5.8, float(np.clip(0.1 * len(folds) * (1 + len(models)), 1.2, 6.5)))
            self._draw_dots(axes, table, folds, models)
            counts = f"n = {len(folds):,} held-out folds; bars: intervals"
            undefined = table[table["value"].isna()]["fold"].unique()
            if len(undefined):
                counts += f" · undefined in {len(undefined):,}: {', '.join(label(f, 16) for f in undefined[:4])}"
            add_headline(figure, f"{label(task)}: {label(self.metric)} by held-out fold", run, counts)
            figures[f"scores_{self.metric}_{task}"] = figure
        return figures

    def _draw_dots(self, axes: Axes, table: pd.DataFrame, folds: list[str], models: list[str]) -> None:
        row = {fold: i for i, fold in enumerate(folds)}
        handles, labels = [], []
        size = 1.0 if len(folds) <= MOST_ROWS else 0.5
        for j, model in enumerate(models):
            colour, shift = OKABE_ITO[j % len(OKABE_ITO)], 0.7 * ((j + 0.5) / len(models) - 0.5)
            part = table[table["model"] == model]
            y = part["fold"].map(row).to_numpy() + shift
            axes.hlines(y, part["lower"], part["upper"], color=colour, linewidth=1.3 * size)
            axes.plot(part["value"], y, linestyle="", marker="o", color=colour, markersize=4 * size)
            handles.append(Line2D([], [], color=colour, marker="o", markersize=4))
            labels.append(f"{label(model)}  mean {part['value'].mean():.3f}")
        axes.axvline(self.chance, color="0.5", linestyle=":", linewidth=1)
        ticks = spaced_labels(range(len(folds)), len(folds) / MOST_ROWS)
        axes.set_yticks(ticks, [label(folds[i], 20) for i in ticks], fontsize=SMALL)
        axes.set_ylim(len(folds) - 0.5, -0.5)
        axes.set_xlabel(label(self.metric), fontsize=SMALL)
        axes.tick_params(axis="x", labelsize=SMALL)
        faint_grid(axes, "x")
        legend_below(axes, handles, labels, drop=0.5)
