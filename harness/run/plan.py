"""What is to be evaluated: the members that a configuration chose, and their folds."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from harness.audit.base import Check
from harness.audit.verdict import Verdict
from harness.core.evaluation import Split
from harness.core.exceptions import InputError
from harness.core.profiles import Profiles
from harness.data.wells.aggregation import check_method, well_table
from harness.figure.base import FigureMember
from harness.metric.base import Metric
from harness.model.encode import check_encode
from harness.norm.base import Normalizer
from harness.scoring.evaluate import Task
from harness.split.base import Splitter
from harness.tuning.base import Tuner
from harness.tuning.none import NoTuning

_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,99}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class EvaluationPlan:
    """What is to be evaluated: the members that a configuration chose."""

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
        for what, chosen in (("task", self.tasks), ("metric", self.metrics), ("model", self.models)):
            if not chosen:
                raise InputError(f"no {what} was chosen; name at least one by {what}=[NAME,...]")
        self._check_members()
        self._check_covariates()
        limits = {"seed": (0, 2**32 - 1), "n_resamples": (2, 10**6), "processes": (1, 1024)}
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if not isinstance(value, int | np.integer) or isinstance(value, bool) or not low <= value <= high:
                raise InputError(f"{name}={value!r}: expected a whole number from {low} to {high}")

    def _check_members(self) -> None:
        """Refuse what is no normalization, and names that cannot be keys of metrics: MLflow keeps these as paths."""
        if not isinstance(self.normalizer, Normalizer):
            raise InputError(f"norm: got a {type(self.normalizer).__name__}; expected a normalization, see conf/norm")
        groups = {"task": self.tasks, "model": self.models, "baseline": self.baselines, "audit": self.checks,
                  "figure": self.figures}  # fmt: skip
        for what, chosen in groups.items():
            for name in chosen:
                if not _NAME.fullmatch(name):
                    raise InputError(
                        f"{what}: a member is called {name[:80]!r}; expected letters, digits, _ - and ., with a letter "
                        "or digit in front: rename it"
                    )

    def _check_covariates(self) -> None:
        """A column that a task predicts must not be one whose effect a normalization keeps: it would leak."""
        predicted = {task.column: name for name, task in self.tasks.items()}
        for stage in self.normalizer.stages():
            for column in stage.covariates:
                if column in predicted:
                    raise InputError(
                        f"norm.covariates: column {column!r} holds the labels of task {predicted[column]}; a covariate "
                        "that is predicted leaks into the profiles: drop it"
                    )


def plan_splits(plan: EvaluationPlan, profiles: Profiles) -> tuple[pd.DataFrame, list[Split]]:
    """Return the wells and their folds; refuses folds that a task cannot use, before anything is normalized."""
    wells = well_table(profiles.wells)
    splits = list(plan.splitter.split(wells))
    for task in plan.tasks.values():
        for split in splits:
            task.check(wells, split)
    return wells, splits


def split_fingerprint(wells: pd.DataFrame, splits: Sequence[Split]) -> str:
    """Identify which wells of which batches stood on which side of which fold."""
    digest = hashlib.sha256(wells[["plate", "well", "batch"]].to_csv(index=False).encode())
    for split in splits:
        digest.update(split.name.encode() + np.packbits(split.train).tobytes() + np.packbits(split.test).tobytes())
    return digest.hexdigest()[:16]
