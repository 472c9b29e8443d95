"""The results of a tuner during a run, collected and recorded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol

import pandas as pd

from harness.core import table_names
from harness.tuning.base import TRIALS, Tuner, TuningRequest, TuningResult

BEST = ["task", "model", "fold", "value", "default", "n_trials", "params"]


class Recorder(Protocol):
    """Where results go."""

    def metrics(self, values: Mapping[str, float]) -> None: ...
    def table(self, name: str, table: pd.DataFrame) -> None: ...
    def trials(self, table: pd.DataFrame) -> None: ...


class TuningResults:
    """The results of ``tuner``, which several threads may call."""

    def __init__(self, tuner: Tuner) -> None:
        self.tuner = tuner
        self._results: list[tuple[TuningRequest, TuningResult]] = []

    def model(self, request: TuningRequest) -> Any:
        """Return the unfitted model to train on all training wells of the fold and to test once."""
        result = self.tuner.tune(request)
        self._results.append((request, result))
        return result.model

    @property
    def trials(self) -> pd.DataFrame | None:
        """All trials, by task, model and fold; None if there were none."""
        tables = [result.trials for _, result in self._results if len(result.trials)]
        if not tables:
            return None
        order = ["task", "model", "fold", "number"]
        return pd.concat(tables).sort_values(order, kind="stable").reset_index(drop=True)[TRIALS]

    def best(self) -> pd.DataFrame:
        """Return one row per study: value on inner folds, that of the model as configured, and the best parameters."""
        rows = []
        for request, result in self._results:
            values = result.trials.loc[result.trials["state"] == "complete", ["number", "value"]]
            if len(values):
                params = json.dumps(result.best)
                first = values.loc[values["number"] == 0, "value"]
                rows.append(
                    {
                        "task": request.task_name,
                        "model": request.model_name,
                        "fold": request.fold,
                        "value": result.value,
                        "default": float(first.iloc[0]) if len(first) else float("nan"),
                        "n_trials": len(result.trials),
                        "params": params,
                    }
                )
        return pd.DataFrame(rows, columns=BEST).sort_values(BEST[:3], kind="stable").reset_index(drop=True)

    def record(self, recorder: Recorder) -> None:
        """Record ``tuning_trials``, ``tuning_best``, the metric ``tuning/fit_share`` and, if configured, each trial."""
        trials = self.trials
        if trials is None:
            return
        recorder.table(table_names.TUNING_TRIALS, trials)
        recorder.table(table_names.TUNING_BEST, self.best())
        wall = sum(result.wall for _, result in self._results)
        if wall:
            recorder.metrics({"tuning/fit_share": sum(result.fitting for _, result in self._results) / wall})
        if self.tuner.log_trials:
            recorder.trials(trials)
