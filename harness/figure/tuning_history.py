"""Values of the tuning trials and the best so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from harness.core.exceptions import NotApplicable
from harness.figure.base import FigureContext, FigureMember
from harness.metric.shared.named_metrics import metric_named
from harness.plotting.style import SMALL, add_headline, batch_colours, faint_grid, label, legend_below, new_figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class TuningHistory(FigureMember):
    """One picture per task and model: value on inner folds of every trial, and the best so far, by held-out fold."""

    def tables(self, run: FigureContext) -> dict[str, pd.DataFrame]:
        """Return ``tuning_history``: task, model, fold, metric, number, value, state, best (complete trials so far).

        A pruned trial's value is the mean over the inner folds that it reached. Raises NotApplicable if nothing
        was tuned.
        """
        if run.trials is None:
            raise NotApplicable("nothing was tuned")
        columns = ["task", "model", "fold", "metric", "number", "value", "state"]
        table = run.trials[columns].sort_values(["task", "model", "fold", "number"], kind="stable")
        higher = metric_named(str(table["metric"].iloc[0])).better == "higher"
        complete = table["value"].where(table["state"] == "complete")
        studies = complete.groupby([table[c] for c in ("task", "model", "fold")], sort=False)
        best = studies.cummax() if higher else studies.cummin()
        by_study = best.groupby([table[c] for c in ("task", "model", "fold")], sort=False)
        return {"tuning_history": table.assign(best=by_study.ffill()).reset_index(drop=True)}

    def draw(self, tables: dict[str, pd.DataFrame], run: FigureContext) -> dict[str, Figure]:
        """Return ``tuning_history_<task>_<model>``: a dot per complete trial, a line for the best so far."""
        figures = {}
        for (task, model), table in tables["tuning_history"].groupby(["task", "model"], sort=False):
            figure, (axes,) = new_figure(5.8, 3.2)
            metric = label(table["metric"].iloc[0])
            self._draw(axes, table)
            axes.set_ylabel(f"{metric}, mean of inner folds", fontsize=SMALL)
            axes.set_xlabel("trial (0: the model as configured)", fontsize=SMALL)
            counts = table["state"].value_counts()
            n = f"{counts.get('complete', 0):,} trials complete, {counts.get('pruned', 0):,} pruned"
            add_headline(figure, f"{label(task)}/{label(model)}: tuning inside the training batches", run, n)
            figures[f"tuning_history_{task}_{model}"] = figure
        return figures

    def _draw(self, axes: Axes, table: pd.DataFrame) -> None:
        colours = batch_colours(list(table["fold"]))
        handles, labels = [], []
        for fold, rows in table.groupby("fold", sort=False):
            colour, done = colours[str(fold)], rows["state"] == "complete"
            axes.step(rows["number"], rows["best"], where="post", color=colour, linewidth=1.4, zorder=3)
            axes.plot(rows["number"][done], rows["value"][done], "o", color=colour, markersize=3.5, alpha=0.75)
            first, last = rows["best"].iloc[0], rows["best"].iloc[-1]
            handles.append(Line2D([], [], color=colour, marker="o", markersize=3.5))
            labels.append(f"{label(fold, 16)}  {first:.3f} to {last:.3f}")
        complete_values = table["value"][table["state"] == "complete"].dropna()
        low, high = np.quantile(complete_values, [0.1, 1.0]) if len(complete_values) else (0.0, 1.0)
        lowest = min(low, table["best"].min())
        room = 0.06 * (high - lowest) or 0.01
        axes.set_ylim(lowest - room, high + room)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.tick_params(labelsize=SMALL)
        faint_grid(axes, "y")
        legend_below(axes, handles, labels, drop=0.5, title="held out: as configured to best")
