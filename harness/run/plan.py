"""The plan of an evaluation: the members that a configuration chose, and their folds."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from harness.audit.base import Check
from harness.audit.verdict import Verdict
from harness.core.evaluation import Split
from harness.core.exceptions import InputError
from harness.core.profiles import Profiles
from harness.core.task import Task
from harness.data.wells.aggregation import check_method, well_table
from harness.figure.base import FigureMember
from harness.metric.base import Metric
from harness.model.encode import check_encode
from harness.norm.base import Normalizer
from harness.split.base import Splitter
from harness.tuning.base import Tuner
from harness.tuning.none import NoTuning

_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,99}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class EvaluationPlan:
    """The members that a configuration chose, and the settings that they share."""

    name: str
    normalizer: Normalizer
    splitter: Splitter
    split_name: str = "split"
    tasks: Mapping[str, Task]
    models: Mapping[str, Any]
    encode: str | None = None
    metrics: Sequence[Metric]
    baselines: Mapping[str, Any] = field(default_factory=dict)
    checks: Mapping[str, Check] = field(default_factory=dict)
    verdict: Verdict | None = None
    figures: Mapping[str, FigureMember] = field(default_factory=dict)
    batch_tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    tuning: Tuner = field(default_factory=NoTuning)
    aggregate: str = "median"
    processes: int = 1
    n_resamples: int = 500
    seed: int = 0

    def __post_init__(self) -> None:
        check_method(self.aggregate)
        check_encode(self.encode)
        for group, members in (("task", self.tasks), ("metric", self.metrics), ("model", self.models)):
            if not members:
                raise InputError(f"no {group} was chosen; name at least one by {group}=[NAME,...]")
        self._check_members()
        self._check_covariates()
        limits = {"seed": (0, 2**32 - 1), "n_resamples": (2, 10**6), "processes": (1, 1024)}
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if not isinstance(value, int | np.integer) or isinstance(value, bool) or not low <= value <= high:
                raise InputError(f"{name}={value!r}: expected a whole number from {low} to {high}")

    def _check_members(self) -> None:
        """Refuse a normalizer that is none, and names that cannot be keys of metrics: MLflow keeps these as paths."""
        if not isinstance(self.normalizer, Normalizer):
            raise InputError(f"norm: got a {type(self.normalizer).__name__}; expected a normalization, see conf/norm")
        groups = {"task": self.tasks, "model": self.models, "baseline": self.baselines, "audit": self.checks,
                  "figure": self.figures}  # fmt: skip
        for group, members in groups.items():
            for name in members:
                if not _NAME.fullmatch(name):
                    raise InputError(
                        f"{group}: a member is called {name[:80]!r}; expected letters, digits, _ - and ., with a "
                        "letter or digit in front: rename it"
                    )
        for name, task in self.tasks.items():
            if not isinstance(task, Task):
                raise InputError(
                    f"task {name}: {type(task).__name__} is no task; a task of your own inherits harness.core.task.Task"
                )

    def _check_covariates(self) -> None:
        """Refuse a column that a task predicts and whose effect the normalization keeps: its labels would leak."""
        predicted = {task.column: name for name, task in self.tasks.items()}
        for stage in self.normalizer.stages():
            for column in stage.covariates:
                if column in predicted:
                    raise InputError(
                        f"norm.covariates: column {column!r} holds the labels of task {predicted[column]}; a covariate "
                        "that is predicted leaks into the profiles: drop it"
                    )


class PlannedFolds(NamedTuple):
    """Wells of a screen, one row each, and the folds whose masks are in the order of these rows."""

    wells: pd.DataFrame
    splits: list[Split]


def plan_splits(plan: EvaluationPlan, profiles: Profiles) -> PlannedFolds:
    """Return the wells and their folds, before anything is normalized.

    Raises
    ------
    InputError : a fold that a task cannot use.
    """
    wells = well_table(profiles.wells)
    splits = list(plan.splitter.split(wells))
    for task in plan.tasks.values():
        for split in splits:
            task.check(wells, split)
    return PlannedFolds(wells, splits)


def split_fingerprint(wells: pd.DataFrame, splits: Sequence[Split]) -> str:
    """Return a hash of the wells, their batches, and the side of each fold that they are on."""
    digest = hashlib.sha256(wells[["plate", "well", "batch"]].to_csv(index=False).encode())
    for split in splits:
        digest.update(split.name.encode() + np.packbits(split.train).tobytes() + np.packbits(split.test).tobytes())
    return digest.hexdigest()[:16]
