"""Importance of the tuned parameters."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from harness.core.exceptions import NotApplicable
from harness.figure.base import FigureContext, FigureMember
from harness.plotting.style import SMALL, add_headline, label, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


MIN_TRIALS = 5  # complete trials of a study


class TuningImportance(FigureMember):
    """One picture per task and model: the share of the values' variance that each parameter explains.

    Functional ANOVA on a random forest over the complete trials of a study (Hutter 2014, ICML), as in Optuna:
    shares of one study add up to 1. With few trials they are rough: the dots, one per held-out fold, show how much.
    """

    def tables(self, run: FigureContext) -> dict[str, pd.DataFrame]:
        """Return ``tuning_importance``: task, model, fold, parameter, importance, n (complete trials).

        Raises NotApplicable if nothing was tuned, or every study has fewer than :data:`MIN_TRIALS` complete trials or
        equal values in all.
        """
        if run.trials is None:
            raise NotApplicable("nothing was tuned")
        complete = run.trials[run.trials["state"] == "complete"]
        rows = []
        for (task, model, fold), trials in complete.groupby(["task", "model", "fold"], sort=False):
            if len(trials) >= MIN_TRIALS and trials["value"].min() < trials["value"].max():
                for parameter, importance in _importances(trials, run.seed).items():
                    rows.append((task, model, fold, parameter, importance, len(trials)))
        if not rows:
            raise NotApplicable(f"no study has {MIN_TRIALS} complete trials with different values")
        table = pd.DataFrame(rows, columns=["task", "model", "fold", "parameter", "importance", "n"])
        return {"tuning_importance": table}

    def draw(self, tables: dict[str, pd.DataFrame], run: FigureContext) -> dict[str, Figure]:
        """Return ``tuning_importance_<task>_<model>``: bars are means over held-out folds, dots the folds."""
        figures = {}
        for (task, model), table in tables["tuning_importance"].groupby(["task", "model"], sort=False):
            mean = table.groupby("parameter", sort=False)["importance"].mean().sort_values(ascending=False)
            figure, (axes,) = new_figure(4.6, 0.3 * len(mean) + 0.2)
            place = {name: i for i, name in enumerate(mean.index)}
            axes.barh(list(place.values()), mean, color="#56B4E9", height=0.65)
            rows = table["parameter"].map(place).to_numpy()
            axes.plot(table["importance"], rows, "o", color="0.2", markersize=2.5, alpha=0.7, clip_on=False)
            axes.set_yticks(list(place.values()), [label(n.split("__")[-1]) for n in mean.index], fontsize=SMALL)
            axes.invert_yaxis()
            axes.set_xlim(0, 1)
            axes.set_xlabel("share of variance (fANOVA); dots: held-out folds", fontsize=SMALL)
            axes.tick_params(axis="x", labelsize=SMALL)
            axes.spines[["top", "right"]].set_visible(False)
            n = table.drop_duplicates("fold")["n"]
            counts = f"{len(n)} studies of {n.min()} to {n.max()} complete trials"
            add_headline(figure, f"{label(task)}/{label(model)}: importance of parameters", run, counts)
            figures[f"tuning_importance_{task}_{model}"] = figure
        return figures


def _importances(trials: pd.DataFrame, seed: int) -> dict[str, float]:
    import optuna
    from optuna.distributions import json_to_distribution

    space = {name: json_to_distribution(text) for name, text in json.loads(trials["space"].iloc[0]).items()}
    study = optuna.create_study()
    for params, value in zip(trials["params"], trials["value"], strict=True):
        study.add_trial(optuna.create_trial(params=json.loads(params), distributions=space, value=float(value)))
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed % 2**32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        importances = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {name: float(np.clip(value, 0, 1)) for name, value in importances.items()}
