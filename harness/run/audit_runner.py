"""Audit checks on a normalized screen."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from harness.audit.base import AuditContext
from harness.core.exceptions import NotApplicable
from harness.core.finding import Finding
from harness.core.profiles import Profiles
from harness.run.checkpoint.checkpoint import CheckpointStore, NullCheckpoints
from harness.run.checkpoint.serialization import findings_from_table, findings_to_table
from harness.run.normalized_screen import NormalizedScreen
from harness.run.plan import EvaluationPlan, PlannedFolds, plan_splits
from harness.run.training import Training
from harness.tuning.none import NoTuning

CheckResult = tuple[list[Finding], float]  # findings of a check, and the seconds that it took


class AuditRunner:
    """Run the checks of a plan on any normalized screen: the one that is scored, or a sample of its plates.

    Parameters
    ----------
    training : whose models and evaluations the checks read; run first if a check reads evaluations and there are none.
    checkpoints : findings are restored from here, and saved.
    """

    def __init__(
        self,
        plan: EvaluationPlan,
        screen: NormalizedScreen,
        folds: PlannedFolds,
        training: Training,
        checkpoints: CheckpointStore,
    ) -> None:
        self.plan = plan
        self.screen = screen
        self.folds = folds
        self.training = training
        self.checkpoints = checkpoints

    @classmethod
    def without_scores(cls, plan: EvaluationPlan, profiles: Profiles, checkpoints: CheckpointStore) -> AuditRunner:
        """Return the runner of a screen that is audited and not scored; its models are trained only for the checks."""
        plan = replace(plan, figures={}, baselines={}, tuning=NoTuning())
        screen = NormalizedScreen(profiles, plan.normalizer, plan.aggregate)
        folds = plan_splits(plan, profiles)
        return cls(plan, screen, folds, Training(plan, screen, folds), checkpoints)

    def check(self, name: str) -> CheckResult:
        """Return the findings of a check and the seconds it took; none if they were restored."""
        reads_trials = self.plan.tuning.active and self.plan.checks[name].reads_evaluations  # these are no checkpoints
        checkpoints = NullCheckpoints() if reads_trials else self.checkpoints
        if (stored := checkpoints.load("audit", name)) is not None:
            return findings_from_table(stored), 0.0
        start = time.perf_counter()
        findings = self._findings(name)
        checkpoints.save(findings_to_table(findings), "audit", name)
        return findings, time.perf_counter() - start

    def _findings(self, name: str) -> list[Finding]:
        """Return what the check finds; a check that does not apply answers with its reason."""
        check = self.plan.checks[name]
        if check.reads_evaluations and not self.training.evaluations:
            self.training.run(lambda _: None)
        try:
            return list(check.findings(self._context()))
        except NotApplicable as undefined:
            return [Finding(f"audit/{name}", float("nan"), reason=undefined.reason, code=undefined.code)]

    def _context(self) -> AuditContext:
        plan, screen = self.plan, self.screen
        return AuditContext(
            profiles=screen.profiles,
            wells=self.folds.wells,
            normalize=lambda profiles: screen.with_profiles(profiles).for_split,
            normalized=screen.for_split,
            splits=self.folds.splits,
            splitter=plan.splitter,
            tasks=plan.tasks,
            models=self.training.models,
            evaluations=self.training.evaluations,
            n_resamples=plan.n_resamples,
            seed=plan.seed,
            aggregate=plan.aggregate,
            normalizer=plan.normalizer,
        )


def make_check(plan: EvaluationPlan, profiles: Profiles, checkpoints: CheckpointStore) -> Callable[[str], CheckResult]:
    """Return what runs the checks of an audited screen in a worker process."""
    return AuditRunner.without_scores(plan, profiles, checkpoints).check
