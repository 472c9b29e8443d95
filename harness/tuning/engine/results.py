"""What the tuner answered during a run, collected and recorded."""

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
    """Asks ``tuner``, from several threads, and keeps what was answered."""

    def __init__(self, tuner: Tuner) -> None:
        self.tuner = tuner
        self._known: list[tuple[TuningRequest, TuningResult]] = []

    def model(self, question: TuningRequest) -> Any:
        """Return the unfitted model to train on all training wells of the fold and to test once."""
        answer = self.tuner.tune(question)
        self._known.append((question, answer))
        return answer.model

    @property
    def trials(self) -> pd.DataFrame | None:
        """All trials, by task, model and fold; None where there were none."""
        tables = [answer.trials for _, answer in self._known if len(answer.trials)]
        if not tables:
            return None
        order = ["task", "model", "fold", "number"]
        return pd.concat(tables).sort_values(order, kind="stable").reset_index(drop=True)[TRIALS]

    def best(self) -> pd.DataFrame:
        """Return one row per study: value on inner folds, that of the model as configured, and the parameters
        chosen.
        """
        rows = []
        for question, answer in self._known:
            values = answer.trials.loc[answer.trials["state"] == "complete", ["number", "value"]]
            if len(values):
                chosen = json.dumps(answer.best)
                first = values.loc[values["number"] == 0, "value"]
                rows.append(
                    {
                        "task": question.task_name,
                        "model": question.model_name,
                        "fold": question.fold,
                        "value": answer.value,
                        "default": float(first.iloc[0]) if len(first) else float("nan"),
                        "n_trials": len(answer.trials),
                        "params": chosen,
                    }
                )
        return pd.DataFrame(rows, columns=BEST).sort_values(BEST[:3], kind="stable").reset_index(drop=True)

    def record(self, recorder: Recorder) -> None:
        """Tables ``tuning_trials`` and ``tuning_best``, metric ``tuning/fit_share`` and, if wanted, each trial."""
        trials = self.trials
        if trials is None:
            return
        recorder.table(table_names.TUNING_TRIALS, trials)
        recorder.table(table_names.TUNING_BEST, self.best())
        wall = sum(answer.wall for _, answer in self._known)
        if wall:
            recorder.metrics({"tuning/fit_share": sum(answer.fitting for _, answer in self._known) / wall})
        if self.tuner.log_trials:
            recorder.trials(trials)
