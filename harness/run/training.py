"""Fit every model on every fold, restoring checkpoints of an interrupted run."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from harness.core.evaluation import Evaluation, Split
from harness.core.exceptions import NotApplicable
from harness.core.profiles import Profiles
from harness.data.wells.aggregation import expand
from harness.model.encode import encoded
from harness.model.fold_pca import FoldPCA, fold_pca_factory
from harness.norm.engine.normalize import output_table
from harness.program.interruptible_threads import InterruptibleThreads
from harness.run.checkpoint.checkpoint import CheckpointStore, NullCheckpoints
from harness.run.checkpoint.serialization import Answer, evaluations_from_table, evaluations_to_table
from harness.run.normalized_screen import NormalizedScreen
from harness.run.plan import EvaluationPlan, PlannedFolds, split_fingerprint
from harness.run.step_times import StepTimes
from harness.scoring.evaluate import evaluate_groups
from harness.tuning.base import TuningRequest, params_signature
from harness.tuning.engine.results import TuningResults
from harness.utils.parallel import n_threads
from harness.utils.progress import Step

Pair = tuple[str, str]  # a task and a model


@dataclass
class Training:
    """The models of a run, fitted and evaluated fold by fold.

    Parameters
    ----------
    checkpoints : evaluations are restored from here, and saved.
    times : measures each model, and the tuning, as a step.

    Attributes
    ----------
    evaluations : held-out predictions by task and model, one for each fold (and label of the task).
    declined : reasons of baselines that do not apply, by task and model.
    undefined : by task and model: fold -> label of the task -> reason.
    """

    plan: EvaluationPlan
    screen: NormalizedScreen
    folds: PlannedFolds
    checkpoints: CheckpointStore = field(default_factory=NullCheckpoints)
    times: StepTimes = field(default_factory=StepTimes)
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
        with InterruptibleThreads(n_threads()) as pool:
            shared = fold_pca_factory(self.screen.for_split, self.folds.splits)
            for split in self.folds.splits:
                answers = self._restored(split, pairs, step)
                missing = [pair for pair in pairs if pair not in answers]
                if missing or not self.screen.has_report(split):
                    fit = partial(self._fit, shared(split), split, step)
                    answers |= zip(missing, pool.map(fit, missing), strict=True)
                    del fit  # with the fold's matrix, before the next one is computed
                for pair in pairs:
                    if isinstance(answer := answers[pair], NotApplicable):
                        self.declined[pair] = answer.reason
                    else:
                        self.evaluations.setdefault(pair, []).extend(answer.evaluations)
                        self.undefined.setdefault(pair, {})[split.name] = answer.declined

    def _restored(self, split: Split, pairs: Sequence[Pair], step: Step) -> dict[Pair, Answer]:
        """Return the evaluations of this fold that an interrupted attempt saved."""
        answers: dict[Pair, Answer] = {}
        wells = output_table(self.screen.profiles, self.plan.aggregate)
        for task, name in pairs:
            stored = None if self._is_tuned(name) else self.checkpoints.load("evaluation", task, name, split.name)
            if stored is not None:
                answers[task, name] = evaluations_from_table(stored, wells, split, self.plan.seed)
                for group in self.plan.tasks[task].groups:
                    _report(step, f"{name}, {split.name} held out", group)
        return answers

    def _is_tuned(self, name: str) -> bool:
        """Return whether a model is tuned; tuned models are not checkpointed because their Optuna study is."""
        return self.plan.tuning.active and name in self.models

    def _fit(self, folds: FoldPCA, split: Split, step: Step, pair: Pair) -> Answer:
        answer = self._evaluate(folds, split, step, *pair)
        if not self._is_tuned(pair[1]):
            self.checkpoints.save(evaluations_to_table(answer), "evaluation", *pair, split.name)
        return answer

    def _evaluate(self, folds: FoldPCA, split: Split, step: Step, task: str, name: str) -> Answer:
        normalized = folds.profiles
        model = self.models[name] if name in self.models else self.plan.baselines[name]
        report = partial(_report, step, f"{name}, {split.name} held out")
        if self._is_tuned(name):
            with self.times.measure("tuning"):
                model = self.tuning.model(self._tuning_request(normalized, split, task, name))
        with self.times.measure(f"model_{name}"):
            try:
                return evaluate_groups(
                    normalized, split, self.plan.tasks[task], model, seed=self.plan.seed, folds=folds, each=report
                )
            except NotApplicable as declined:
                for group in self.plan.tasks[task].groups:
                    report(group)
                return declined

    def _tuning_request(self, normalized: Profiles, split: Split, task: str, name: str) -> TuningRequest:
        """Return the request to the tuner, which holds the training wells of the fold and no others."""
        plan = self.plan
        training = normalized.take(expand(split.train, normalized.wells))
        content = self.screen.profiles.fingerprint or hashlib.sha256(training.X.tobytes()).hexdigest()
        identity = (
            params_signature(plan.normalizer),
            plan.aggregate,
            content,
            split_fingerprint(*self.folds),
        )
        return TuningRequest(
            training=training,
            task=plan.tasks[task],
            model=self.models[name],
            norm=plan.name,
            data=self.screen.profiles.name,
            split=plan.split_name,
            fold=split.name,
            task_name=task,
            model_name=name,
            identity=identity,
            compound_disjoint=plan.splitter.compound_disjoint,
            seed=plan.seed,
        )


def _report(step: Step, work: str, group: str) -> None:
    step(f"{group}, {work}".lstrip(", "))
