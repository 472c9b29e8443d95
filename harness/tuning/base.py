"""Tuners: the request for parameters of a model, and their result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from harness.core.profiles import Profiles
from harness.core.task import Task

TRIALS = ["task", "model", "fold", "number", "value", "state", "params", "seconds", "started", "metric", "space"]


@dataclass(frozen=True, kw_only=True)
class TuningRequest:
    """A request for the parameters that a model should have for a fold.

    Attributes
    ----------
    training : normalized profiles of the fold's training wells ONLY: no held-out row is in here.
    norm, split, data, fold, task_name, model_name : names.
    identity : descriptions and fingerprints of normalizer, data and split: results depend on them and on the wells.
    compound_disjoint : whether inner folds keep compounds apart, as the fold does.
    """

    training: Profiles
    task: Task
    model: Any
    norm: str
    data: str
    split: str
    fold: str
    task_name: str
    model_name: str
    identity: Sequence[str] = ()
    compound_disjoint: bool = False
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class TuningResult:
    """The model with the parameters that a tuner chose, and its trials.

    Attributes
    ----------
    model : unfitted; with the best parameters found.
    trials : columns :data:`TRIALS`: ``value`` is the mean over inner folds (of those evaluated, where pruned);
        ``params`` and ``space`` (JSON) are the values tried and their distributions; ``seconds`` of wall time.
    best, value : the best parameters, as ``set_params`` takes them, and their value on inner folds.
    fitting, wall : seconds in training and predicting, and in all, of this call.
    """

    model: Any
    trials: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=TRIALS))
    best: dict[str, Any] = field(default_factory=dict)
    value: float = float("nan")
    fitting: float = 0.0
    wall: float = 0.0


class Tuner:
    """Base of every tuner.

    Attributes
    ----------
    active : whether parameters are chosen at all; if not, the training wells are not copied.
    log_trials : whether each trial becomes a run below the evaluation's.
    """

    active = True
    log_trials = False

    def check(self, models: Mapping[str, Any]) -> None:
        """Refuse, before anything is computed, models and settings that cannot work."""

    def tune(self, request: TuningRequest) -> TuningResult:
        raise NotImplementedError


def params_signature(thing: Any) -> Any:
    """Return class and parameters of an estimator and of its parts: equal for two runs of the same configuration."""
    if isinstance(thing, list | tuple):
        return [params_signature(part) for part in thing]
    if not hasattr(thing, "get_params"):
        return repr(thing)
    params = thing.get_params(deep=False)
    return type(thing).__qualname__, [(key, params_signature(params[key])) for key in sorted(params)]
