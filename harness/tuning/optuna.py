"""Parameters chosen by Optuna: one study for each normalization, held-out fold, task and model."""

from __future__ import annotations

import hashlib
import json
import logging
import time
import warnings
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
import pandas as pd
from optuna.distributions import distribution_to_json
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from harness.core.exceptions import InputError, NotApplicable
from harness.metric.shared.named_metrics import metric_named
from harness.settings.annotated_types import Count, Folds, Name, Positive, StoreAddress
from harness.settings.limits import Between
from harness.tuning.base import TRIALS, Tuner, TuningRequest, TuningResult, params_signature
from harness.tuning.engine.inner_cv import InnerCVObjective, inner_folds
from harness.tuning.engine.space import Space, space_of
from harness.tuning.engine.storage import absolute, open_storage
from harness.tuning.engine.study import Direction, StudyLocation, StudyWorker, finished
from harness.tuning.engine.study_workers import run_trials

_log = logging.getLogger("harness.tuning")
_DIRECTION: dict[str, Direction] = {"higher": "maximize", "lower": "minimize"}


class Optuna(Tuner):
    """TPE with median pruning after each inner fold, on the training wells of the fold only.

    The first trial is the model as it is configured, so that on the inner folds the best is never worse. What is drawn
    follows from seed, fold, task and model, never from the normalization: all begin with the same trials and have the
    same budget. See :class:`harness.tuning.engine.inner_cv.InnerCVObjective` for the meaning of a trial's value.

    Parameters
    ----------
    n_trials : of each study in total, those of an interrupted run included.
    timeout : seconds for each study, after which no trial begins, or None. Budgets are then no longer equal where
        normalizations differ in speed.
    metric : name of the metric that inner folds are scored with.
    inner_folds : at most; each holds out whole batches, or plates where one batch is left.
    workers : processes on one study. With several, which trials are drawn depends on which end first.
    storage : address of the database of studies, as SQLAlchemy has it.
    study : begins the names of studies; another one starts anew.
    log_trials : whether each trial becomes a run below the evaluation's.
    spaces : search spaces by model (:func:`harness.tuning.engine.space.space_of`); a model without one is not tuned.

    Raises
    ------
    InputError : a setting that cannot work.
    """

    def __init__(
        self,
        *,
        n_trials: Count = 20,
        timeout: Positive | None = None,
        metric: Name = "auroc",
        inner_folds: Folds = 5,
        workers: Annotated[int, Between(1, 256)] = 1,
        storage: StoreAddress = "sqlite:///mlruns/optuna.db",
        study: Name | None = None,
        log_trials: bool = True,
        spaces: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        limits = {"n_trials": (n_trials, 1, 10**6), "inner_folds": (inner_folds, 2, 1000), "workers": (workers, 1, 256)}
        for name, (value, low, high) in limits.items():
            if not isinstance(value, int | np.integer) or isinstance(value, bool) or not low <= value <= high:
                raise InputError(f"tuning.{name}={value!r}: expected a whole number from {low} to {high}")
        if timeout is not None and not (isinstance(timeout, int | float) and timeout > 0):
            raise InputError(f"tuning.timeout={timeout!r}: expected seconds above 0, or null for no limit")
        if metric_named(metric).better not in _DIRECTION:
            raise InputError(f"tuning.metric={metric}: neither high nor low values are better; choose another")
        self.n_trials = n_trials
        self.timeout = timeout
        self.metric = metric
        self.inner_folds = inner_folds
        self.workers = workers
        self.storage = storage
        self.study = study
        self.log_trials = log_trials
        self.spaces = dict(spaces or {})

    def check(self, models: Mapping[str, Any]) -> None:
        """Check that spaces and storage can be used.

        Raises
        ------
        InputError : a space that does not fit its model, or a database that cannot be written.
        """
        for name, model in models.items():
            if self.spaces.get(name):
                space_of(name, self.spaces[name], model)
            else:
                warnings.warn(f"model {name} has no search space conf/space/{name}.yaml: not tuned", stacklevel=2)
        open_storage(self.storage)

    def tune(self, request: TuningRequest) -> TuningResult:
        """Return the model with the best parameters on inner folds; unchanged, with a warning, if not tunable."""
        began, name = time.perf_counter(), request.model_name
        if not self.spaces.get(name):
            return TuningResult(model=request.model)
        space = space_of(name, self.spaces[name], request.model)
        metric = metric_named(self.metric)
        try:
            folds = inner_folds(request, self.inner_folds)
        except NotApplicable as impossible:
            return _untuned(request, impossible.reason)
        objective = InnerCVObjective(request.training, folds, request.task, metric, request.seed)
        axes = (request.seed, "tuning", request.fold, request.task_name, name)
        place = StudyLocation(
            absolute(self.storage), self._name(request, space, objective), axes, _DIRECTION[metric.better]
        )
        study = place.open(space)
        if n_finished := len(finished(study, self.n_trials)):
            _log.warning("study %s resumed, %d of %d trials were there", place.name, n_finished, self.n_trials)
        fitting = 0.0
        if n_finished < self.n_trials:
            fitting = run_trials(StudyWorker(place, space, objective, self.n_trials, self.timeout), self.workers)
        done = finished(study, self.n_trials)
        table = _table(done, request, space, self.metric)
        wall = (time.perf_counter() - began) * self.workers if n_finished < self.n_trials else 0.0
        best = _best(done, study)
        if best is None:
            return _untuned(request, f"{self.metric} is undefined in all trials")
        return TuningResult(
            model=space.candidate(best.params),
            trials=table,
            best=space.settings(best.params),
            value=float(best.value or 0.0),
            fitting=fitting,
            wall=wall,
        )

    def _name(self, request: TuningRequest, space: Space, objective: InnerCVObjective) -> str:
        """Return a readable name with a digest of all that decides a trial's value but the search space."""
        q, training = request, request.training
        digest = hashlib.sha256()
        for part in (*q.identity, params_signature(space.model), self.metric, q.seed, q.compound_disjoint):
            digest.update(repr(part).encode())
        digest.update(training.wells[["plate", "well", "batch"]].to_csv(index=False).encode())
        digest.update(np.ascontiguousarray(q.task.labels(training.wells)).tobytes())
        for fold in objective.folds:
            digest.update(np.packbits(fold.train).tobytes() + np.packbits(fold.test).tobytes())
        names = (q.norm, q.data, q.split, q.fold, q.task_name, q.model_name)
        prefix = [self.study] if self.study else []
        return " ".join([*prefix, *(_short(n) for n in names), digest.hexdigest()[:12]])


def _short(name: str) -> str:
    return "-".join(name.split())[:60]


def _best(done: list[FrozenTrial], study: Study) -> FrozenTrial | None:
    """Return the first of the best."""
    sign = 1 if study.direction.name == "MAXIMIZE" else -1
    complete = [t for t in done if t.state == TrialState.COMPLETE and t.value is not None]
    return max(complete, key=lambda t: (sign * float(t.value or 0.0), -t.number), default=None)


def _untuned(request: TuningRequest, reason: str) -> TuningResult:
    message = f"{request.task_name}/{request.model_name}, {request.fold} held out: not tuned, {reason}"
    warnings.warn(message, stacklevel=3)
    return TuningResult(model=request.model)


def _table(done: list[FrozenTrial], request: TuningRequest, space: Space, metric: str) -> pd.DataFrame:
    """Return one row per trial, with the columns :data:`harness.tuning.base.TRIALS`; numbered without failed trials."""
    names = {"task": request.task_name, "model": request.model_name, "fold": request.fold, "metric": metric}
    text = json.dumps({name: distribution_to_json(d) for name, d in space.distributions.items()})
    rows = [
        {
            "number": i,
            "value": float("nan") if trial.value is None else trial.value,
            "state": trial.state.name.lower(),
            "params": json.dumps(trial.params),
            "seconds": trial.duration.total_seconds() if trial.duration else float("nan"),
            "started": trial.datetime_start,
        }
        for i, trial in enumerate(done)
    ]
    return pd.DataFrame(rows).assign(**names, space=text)[TRIALS]
