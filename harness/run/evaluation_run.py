"""One evaluation of one normalization: the data flow, from profiles to recorded scores."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from threadpoolctl import threadpool_limits

from harness.audit.scorecard.decision import Decision
from harness.core import table_names
from harness.core.finding import Finding
from harness.core.profiles import Profiles
from harness.core.recorder import Recorder
from harness.core.score_schema import Over
from harness.model.encode import warn_unseen
from harness.program.interruptible_threads import InterruptibleThreads
from harness.run.audit import Audit
from harness.run.audit_runner import AuditRunner
from harness.run.checkpoint.checkpoint import CheckpointStore, NullCheckpoints
from harness.run.figures import figure_context, prepare_figures, record_figures
from harness.run.normalized_screen import NormalizedScreen
from harness.run.normalizer_reports import NormalizerReports
from harness.run.plan import EvaluationPlan, PlannedFolds, plan_splits
from harness.run.step_times import StepTimes
from harness.run.training import Training
from harness.scoring.score_tables import score_run
from harness.utils.progress import Step, progress_bar


class EvaluationRun:
    """One evaluation: normalize, audit, train, score, decide and draw.

    Parameters
    ----------
    folds : of ``profiles``, if the caller has planned them already.
    checkpoints : parts of an interrupted attempt are restored from here; None to compute and save nothing of the kind.
    audited : plates of ``profiles`` on which the audit runs; None for all.

    Attributes
    ----------
    decision : the verdict, after :meth:`execute`.
    """

    def __init__(
        self,
        plan: EvaluationPlan,
        profiles: Profiles,
        recorder: Recorder,
        *,
        folds: PlannedFolds | None = None,
        checkpoints: CheckpointStore | None = None,
        audited: Profiles | None = None,
    ) -> None:
        self.plan = plan
        self.recorder = recorder
        self.folds = folds or plan_splits(plan, profiles)
        self.times = StepTimes()
        checkpoints = checkpoints or NullCheckpoints()
        self.reports = NormalizerReports(checkpoints)
        self.screen = NormalizedScreen(
            profiles, plan.normalizer, plan.aggregate, reports=self.reports, times=self.times
        )
        self.training = Training(plan, self.screen, self.folds, checkpoints, self.times)
        full = AuditRunner(plan, self.screen, self.folds, self.training, checkpoints)
        sample = full if audited is None else AuditRunner.without_scores(plan, audited, checkpoints)
        self.audit = Audit(plan, full, sample, self.times)
        self.decision: Decision | None = None

    def execute(self) -> pd.DataFrame:
        """Evaluate the normalization and record everything; return the table of scores."""
        plan = self.plan
        self.warn_of_unseen_batches()
        # one thread for each of the models that train at a time: linear algebra threads would only wait for each other
        with (
            threadpool_limits(1),
            InterruptibleThreads(1) as preparation,
            self.audit.in_background() as background,
            progress_bar(plan.name, self._n_steps()) as step,
        ):
            prepared = prepare_figures(plan.figures, preparation)
            self.audit.run_before_training(step)
            self.training.run(step)
            self.training.tuning.record(self.recorder)
            scores = self.score()
            self.audit.run_after_training(step, background)
            findings = self.audit.all_findings()
            self.recorder.findings(findings)
            self.decision = self.audit.decide(findings)
            if self.decision is not None:
                self.recorder.verdict(self.decision)
            for future in prepared:
                future.result()
            self.draw(step, scores, findings)
        self.reports.record(self.recorder, map(self.screen.fit_name, self.folds.splits), self.screen.profiles.features)
        self.recorder.metrics(self.times.metrics())
        return scores

    def _n_steps(self) -> int:
        plan = self.plan
        n_models = sum(len(task.groups) for task in plan.tasks.values()) * (len(plan.models) + len(plan.baselines))
        return len(self.folds.splits) * n_models + len(plan.checks) + len(plan.figures)

    def warn_of_unseen_batches(self) -> None:
        """Warn of held-out batches (or plates) that models with ``encode`` cannot know; record their share."""
        if self.plan.encode is not None:
            self.recorder.metrics(warn_unseen(self.folds.wells, self.folds.splits, self.plan.encode))

    def score(self) -> pd.DataFrame:
        """Record scores, resamples and predictions of all models and the tables of the tasks; return the scores."""
        with self.times.measure("score"):
            tables = score_run(
                self.plan.tasks,
                self.training.evaluations,
                self.plan.metrics,
                declined=self.training.declined,
                undefined=self.training.undefined,
                n_resamples=self.plan.n_resamples,
            )
        scores = tables[table_names.SCORES]
        self.recorder.scores(scores[scores["model"].isin(self.plan.models) | (scores["over"] == Over.MEAN)])
        tables |= self.plan.batch_tables
        for task in self.plan.tasks.values():
            tables |= task.tables()
        for name, table in tables.items():
            self.recorder.table(name, table)
        return scores

    def draw(self, step: Step, scores: pd.DataFrame, findings: Sequence[Finding]) -> None:
        """Record tables and pictures of the figures; a figure that does not apply is recorded with its reason."""
        if not self.plan.figures:
            return
        context = figure_context(
            self.plan,
            self.screen,
            self.training,
            self.recorder,
            scores=scores,
            findings=findings,
            decision=self.decision,
        )
        record_figures(self.plan.figures, context, self.recorder, times=self.times, step=step)
