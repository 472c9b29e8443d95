"""The audit of a run: when, on which plates and in which process its checks run, and the verdict."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from harness.audit.scorecard.decision import Decision
from harness.audit.scorecard.evidence import ScreenDesign
from harness.core.finding import Finding
from harness.run.audit_runner import AuditRunner, CheckResult, make_check
from harness.run.plan import EvaluationPlan
from harness.run.step_times import StepTimes
from harness.utils.cpu_count import cores
from harness.utils.progress import Step
from harness.utils.worker_pool import BackgroundTasks, background_tasks


class Audit:
    """Checks before, during and after the training.

    Parameters
    ----------
    full : runs checks that need the full screen.
    sample : runs all others; the same as ``full`` unless only some plates of a large screen are audited.

    Attributes
    ----------
    findings : of the checks that were run, by check.
    """

    def __init__(self, plan: EvaluationPlan, full: AuditRunner, sample: AuditRunner, times: StepTimes) -> None:
        self.plan = plan
        self.full = full
        self.sample = sample
        self.times = times
        self.findings: dict[str, list[Finding]] = {}
        self._early = [name for name, check in plan.checks.items() if check.before_training]
        self._late = [name for name in plan.checks if name not in self._early]

    def check(self, name: str) -> CheckResult:
        """Run one check on the plates that it needs."""
        return (self.full if self.plan.checks[name].needs_full_screen else self.sample).check(name)

    @contextmanager
    def in_background(self) -> Iterator[BackgroundTasks]:
        """Run checks that need no models in other processes, as many as there are cores, while models train."""
        names = [name for name, check in self.plan.checks.items() if check.runs_in_worker and not self._is_saved(name)]
        with background_tasks(
            make_check,
            replace(self.plan, figures={}),
            self.sample.screen.profiles,
            self.sample.checkpoints,
            run_here=self.check,
            names=names,
            n_workers=min(self.plan.processes, cores()) - 1,
        ) as tasks:
            yield tasks

    def _is_saved(self, name: str) -> bool:
        return self.sample.checkpoints.has("audit", name)

    def run_before_training(self, step: Step) -> None:
        """Run the checks that read wells only."""
        self._collect(step, ((name, self.check(name)) for name in self._early))

    def run_after_training(self, step: Step, tasks: BackgroundTasks) -> None:
        """Run the checks that read evaluations, and fetch the results of those that ran in other processes."""
        self._collect(step, tasks.results(self._late))

    def _collect(self, step: Step, results: Iterable[tuple[str, CheckResult]]) -> None:
        for name, (findings, seconds) in results:
            self.findings[name] = findings
            self.times.seconds[f"audit_{name}"] = seconds
            step(name)

    def all_findings(self) -> list[Finding]:
        """Return the findings of all checks in the order of the plan."""
        return [finding for name in self.plan.checks for finding in self.findings[name]]

    def decide(self, findings: Sequence[Finding]) -> Decision | None:
        """Return the verdict on the findings; None if the plan has none."""
        if self.plan.verdict is None:
            return None
        wells = self.sample.folds.wells
        design = ScreenDesign(
            n_batches=wells["batch"].nunique(),
            n_plates=wells["plate"].nunique(),
            n_wells=len(wells),
            identity=self.plan.normalizer.is_identity,
        )
        note = ""
        if self.sample is not self.full:
            total = self.full.folds.wells["plate"].nunique()
            note = f"Audited on {design.n_plates} of {total} plates, drawn from all batches (audit_wells)."
        return self.plan.verdict.decide(findings, design, note=note)
