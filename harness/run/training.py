"""Every model of every task on every fold, or what an attempt that was cut off had made of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pandas as pd

from harness.audit.base import BySplit
from harness.core.evaluation import Evaluation, Split
from harness.core.exceptions import NotApplicable
from harness.core.profiles import Profiles
from harness.data.wells.aggregation import expand
from harness.model.encode import encoded
from harness.model.fold_pca import FoldPCA, fold_pca_factory
from harness.norm.engine.normalize import output_table
from harness.program.interruptible_threads import InterruptibleThreads
from harness.run.checkpoint.checkpoint import CheckpointStore
from harness.run.checkpoint.serialization import Answer, evaluations_from_table, evaluations_to_table
from harness.run.plan import EvaluationPlan, split_fingerprint
from harness.scoring.evaluate import evaluate_groups
from harness.tuning.base import TuningRequest, params_signature
from harness.tuning.engine.results import TuningResults
from harness.utils.cpu_count import cores
from harness.utils.progress import Step

Pair = tuple[str, str]  # a task and a model
WORKERS = 2  # models trained at the same time, where there are as many cores


@dataclass
class Training:
    """Fits and evaluates the models of a run.

    Parameters
    ----------
    profiles : not yet normalized.
    wells : the table that the ``splits`` divide.
    normalized : wells of ``profiles``, by split.
    units : where answers are kept.
    reported : whether the normalizer's report on a fold is there.
    timed : adds the wall time of a block to a step.

    Attributes
    ----------
    evaluations : held-out predictions by task and model, one for each fold (and label of the task).
    declined : reasons of baselines that do not apply, by task and model.
    undefined : by task and model: fold -> label of the task -> reason.
    """

    plan: EvaluationPlan
    profiles: Profiles
    wells: pd.DataFrame
    splits: Sequence[Split]
    normalized: BySplit
    units: CheckpointStore
    reported: Callable[[Split], bool]
    timed: Callable[[str], AbstractContextManager[None]]
    evaluations: dict[Pair, list[Evaluation]] = field(default_factory=dict, init=False)
    declined: dict[Pair, str] = field(default_factory=dict, init=False)
    undefined: dict[Pair, dict[str, dict[str, str]]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.models: dict[str, Any] = encoded(self.plan.models, self.plan.encode)
        self.tuning = TuningResults(self.plan.tuning)

    def run(self, step: Step) -> None:
        """Fit every model of every task on every fold; a baseline that does not apply is noted with its reason."""
        models = {**self.models, **self.plan.baselines}
        pairs = [(task, model) for task in self.plan.tasks for model in models]
        with InterruptibleThreads(min(WORKERS, cores())) as pool:
            shared = fold_pca_factory(self.normalized, self.splits)
            for split in self.splits:
                answers = self._taken_over(split, pairs, step)
                missing = [pair for pair in pairs if pair not in answers]
                if missing or not self.reported(split):
                    fit = partial(self._fit, shared(split), split, step)
                    answers |= zip(missing, pool.map(fit, missing), strict=True)
                    del fit  # with the fold's matrix, before the next one is made
                for pair in pairs:
                    if isinstance(answer := answers[pair], NotApplicable):
                        self.declined[pair] = answer.reason
                    else:
                        self.evaluations.setdefault(pair, []).extend(answer.evaluations)
                        self.undefined.setdefault(pair, {})[split.name] = answer.declined

    def _taken_over(self, split: Split, pairs: Sequence[Pair], step: Step) -> dict[Pair, Answer]:
        """Return what an attempt that was cut off had evaluated of this fold."""
        answers: dict[Pair, Answer] = {}
        wells = output_table(self.profiles, self.plan.aggregate)
        for task, name in pairs:
            kept = None if self._tuned(name) else self.units.take("evaluation", task, name, split.name)
            if kept is not None:
                answers[task, name] = evaluations_from_table(kept, wells, split, self.plan.seed)
                for group in self.plan.tasks[task].groups:
                    _say(step, f"{name}, {split.name} held out", group)
        return answers

    def _tuned(self, name: str) -> bool:
        """Return whether the tuner has to be asked, who goes on with trials that he has kept himself."""
        return self.plan.tuning.active and name in self.models

    def _fit(self, folds: FoldPCA, split: Split, step: Step, pair: Pair) -> Answer:
        answer = self._evaluate(folds, split, step, *pair)
        if not self._tuned(pair[1]):
            self.units.put(evaluations_to_table(answer), "evaluation", *pair, split.name)
        return answer

    def _evaluate(self, folds: FoldPCA, split: Split, step: Step, task: str, name: str) -> Answer:
        normalized = folds.profiles
        model = self.models[name] if name in self.models else self.plan.baselines[name]
        said = partial(_say, step, f"{name}, {split.name} held out")
        if self._tuned(name):
            with self.timed("tuning"):
                model = self.tuning.model(self._question(normalized, split, task, name))
        with self.timed(f"model_{name}"):
            try:
                return evaluate_groups(
                    normalized, split, self.plan.tasks[task], model, seed=self.plan.seed, folds=folds, each=said
                )
            except NotApplicable as declined:
                for group in self.plan.tasks[task].groups:
                    said(group)
                return declined

    def _question(self, normalized: Profiles, split: Split, task: str, name: str) -> TuningRequest:
        """Return what the tuner is asked: it is given the training wells of the fold and nothing else."""
        plan = self.plan
        training = normalized.take(expand(split.train, normalized.wells))
        content = self.profiles.fingerprint or hashlib.sha256(training.X.tobytes()).hexdigest()
        identity = (
            params_signature(plan.normalizer),
            plan.aggregate,
            content,
            split_fingerprint(self.wells, self.splits),
        )
        return TuningRequest(
            training=training,
            task=plan.tasks[task],
            model=self.models[name],
            norm=plan.name,
            data=self.profiles.name,
            split=plan.split_name,
            fold=split.name,
            task_name=task,
            model_name=name,
            identity=identity,
            compound_disjoint=plan.splitter.compound_disjoint,
            seed=plan.seed,
        )


def _say(step: Step, what: str, group: str) -> None:
    step(f"{group}, {what}".lstrip(", "))
