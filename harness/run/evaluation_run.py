"""One evaluation of one normalization: the data flow, from profiles to recorded scores."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache

import pandas as pd
from threadpoolctl import threadpool_limits

from harness.audit.base import AuditContext, BySplit
from harness.audit.scorecard.decision import Decision
from harness.audit.scorecard.evidence import Design
from harness.audit.shared.relabel import hide_controls
from harness.audit.verdict import Verdict
from harness.core import table_names
from harness.core.evaluation import Split
from harness.core.exceptions import InputError, NotApplicable
from harness.core.finding import Finding
from harness.core.profiles import Profiles
from harness.core.recorder import NullRecorder, Recorder
from harness.core.scope import FitScope
from harness.core.score_schema import Over
from harness.figure.base import FigureContext
from harness.model.encode import warn_unseen
from harness.norm.base import depends_on_training
from harness.norm.engine.normalize import normalize
from harness.numerics.standardize import whole_report
from harness.program.interruptible_threads import InterruptibleThreads
from harness.run.checkpoint.checkpoint import CheckpointStore, NullCheckpoints
from harness.run.checkpoint.findings_table import (
    findings_from_table,
    findings_to_table,
    reports_from_table,
    reports_to_table,
)
from harness.run.figures import record_figures
from harness.run.plan import EvaluationPlan, plan_splits
from harness.run.training import Training
from harness.scoring.score_tables import score_run
from harness.tuning.none import NoTuning
from harness.utils.cpu_count import cores
from harness.utils.progress import Step, bar
from harness.utils.worker_pool import beside


class EvaluationRun:
    """One evaluation in progress: what the split does not change is normalized once and shared.

    Attributes
    ----------
    units : where parts of this run are kept.
    decision : the verdict, once it is there.
    audited : the run whose checks are made: this one, or of a large screen one of some of its plates.
    """

    def __init__(
        self,
        plan: EvaluationPlan,
        profiles: Profiles,
        recorder: Recorder,
        *,
        units: CheckpointStore | None = None,
        audited: Profiles | None = None,
    ) -> None:
        self.plan = plan
        needs_planted = any(stage.needs_planted for stage in plan.normalizer.stages())
        # planted truth that nobody needs would be read, and checked, with every plate
        self.profiles = profiles if needs_planted else profiles.replace(planted=None)
        self.recorder = recorder
        self.units = units or NullCheckpoints()
        self.wells, self.splits = plan_splits(plan, profiles)
        self.decision: Decision | None = None
        self.seconds: dict[str, float] = defaultdict(float)
        self.reports: dict[str, list[pd.DataFrame]] = {}  # by fold; one for all where the split changes nothing
        self.normalized = self.normalize(self.profiles, scored=True)
        self.training = Training(
            plan=plan,
            profiles=self.profiles,
            wells=self.wells,
            splits=self.splits,
            normalized=self.normalized,
            units=self.units,
            reported=self._reported,
            timed=self.timed,
        )
        sampled = replace(plan, figures={}, baselines={}, tuning=NoTuning())
        self.audited = self if audited is None else EvaluationRun(sampled, audited, NullRecorder())

    @property
    def depends_on_split(self) -> bool:
        """Whether the normalization must be fitted again for each fold."""
        return depends_on_training(self.plan.normalizer)

    def normalize(self, profiles: Profiles, *, scored: bool = False) -> BySplit:
        """Return normalized wells of ``profiles`` for a split; made once where the split does not change them.

        Of those that are ``scored`` the normalizer's reports are kept.
        """

        def fit(split: Split | None) -> Profiles:
            told: list[pd.DataFrame] | None = [] if scored and (split is not None) == self.depends_on_split else None
            report = None if told is None else told.append
            with self.timed("normalize"):
                result = normalize(profiles, self.plan.normalizer, split, aggregate=self.plan.aggregate, report=report)
            if told is not None:
                self.reports[self._fit_name(split)] = told
                self.units.put(reports_to_table(told), "report", self._fit_name(split))
            return result

        every_row = cache(lambda: fit(None))
        return lambda split: fit(split) if split is not None and self.depends_on_split else every_row()

    def _fit_name(self, split: Split | None) -> str:
        return split.name if split is not None and self.depends_on_split else ""

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Add the wall time of the block to ``time/<step>``."""
        start = time.perf_counter()
        yield
        self.seconds[step] += time.perf_counter() - start

    def execute(self) -> pd.DataFrame:
        """Return everything, in order; returns the table of scores."""
        plan = self.plan
        n_models = sum(len(task.groups) for task in plan.tasks.values()) * (len(plan.models) + len(plan.baselines))
        self.say_unseen()
        n_steps = len(self.splits) * n_models + len(plan.checks) + len(plan.figures)
        others = [name for name, check in plan.checks.items() if check.anywhere and not self.units.has("audit", name)]
        helpers = min(plan.processes, cores()) - 1
        # one thread for each of the models that train at a time: linear algebra threads would only wait for each other
        with (
            threadpool_limits(1),
            InterruptibleThreads(1) as first,
            beside(
                checker,
                replace(plan, figures={}),
                self.audited.profiles,
                self.units,
                do=self.check,
                names=others,
                n=helpers,
            ) as elsewhere,
            bar(plan.name, n_steps) as step,
        ):
            warm = [first.submit(figure.prepare) for figure in plan.figures.values() if hasattr(figure, "prepare")]
            early = [name for name, check in plan.checks.items() if check.before_training]
            found = self.audit(step, ((name, self.check(name)) for name in early))
            self.training.run(step)
            self.training.tuning.record(self.recorder)
            scores = self.score()
            found |= self.audit(step, elsewhere.results([name for name in plan.checks if name not in early]))
            findings = [finding for name in plan.checks for finding in found[name]]
            self.recorder.findings(findings)
            if plan.verdict is not None:
                self.decision = self._decide(plan.verdict, findings)
                self.recorder.verdict(self.decision)
            for prepared in warm:
                prepared.result()
            self.draw(step, scores, findings)
        self.report()
        return scores

    def say_unseen(self) -> None:
        """Warn of held-out batches (or plates) that models with ``encode`` cannot know; record their share."""
        if (by := self.plan.encode) is None:
            return
        self.recorder.metrics(warn_unseen(self.wells, self.splits, by))

    def _reported(self, split: Split) -> bool:
        """Return whether the normalizer's report on this fold is there, from this attempt or an earlier one."""
        name = self._fit_name(split)
        if name not in self.reports and (kept := self.units.take("report", name)) is not None:
            self.reports[name] = reports_from_table(kept)
        return name in self.reports

    def score(self) -> pd.DataFrame:
        """Return scores, resamples and predictions of all models, recorded, and the tables of the tasks."""
        with self.timed("score"):
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

    def audit(self, step: Step, made: Iterable[tuple[str, tuple[list[Finding], float]]]) -> dict[str, list[Finding]]:
        """Return findings by check, as they come."""
        found = {}
        for name, (findings, seconds) in made:
            found[name] = findings
            self.seconds[f"audit_{name}"] = seconds
            step(name)
        return found

    def check(self, name: str) -> tuple[list[Finding], float]:
        """Return findings of a check and the seconds it took; one that does not apply answers with its reason."""
        check = self.plan.checks[name]
        lasting = not (self.plan.tuning.active and check.reads_evaluations)
        units = self.units if lasting else NullCheckpoints()
        if (kept := units.take("audit", name)) is not None:
            return findings_from_table(kept), 0.0
        return _found(self if check.whole else self.audited, name, units)

    def findings(self, name: str) -> list[Finding]:
        """Return the same, made here and now."""
        plan, check = self.plan, self.plan.checks[name]
        if check.reads_evaluations and not self.training.evaluations:
            self.training.run(lambda _: None)
        context = AuditContext(
            profiles=self.profiles,
            wells=self.wells,
            normalize=self.normalize,
            normalized=self.normalized,
            splits=self.splits,
            splitter=plan.splitter,
            tasks=plan.tasks,
            models=self.training.models,
            evaluations=self.training.evaluations,
            n_resamples=plan.n_resamples,
            seed=plan.seed,
            aggregate=plan.aggregate,
            normalizer=plan.normalizer,
        )
        try:
            return list(check.findings(context))
        except NotApplicable as undefined:
            return [Finding(f"audit/{name}", float("nan"), reason=undefined.reason, code=undefined.code)]

    def _decide(self, verdict: Verdict, findings: Sequence[Finding]) -> Decision:
        wells = self.audited.wells
        design = Design(
            n_batches=wells["batch"].nunique(),
            n_plates=wells["plate"].nunique(),
            n_wells=len(wells),
            identity=self.plan.normalizer.is_identity,
        )
        note = ""
        if self.audited is not self:
            total = self.wells["plate"].nunique()
            note = f"Audited on {design.n_plates} of {total} plates, drawn from all batches (audit_wells)."
        return verdict.decide(findings, design, note=note)

    def draw(self, step: Step, scores: pd.DataFrame, findings: Sequence[Finding]) -> None:
        """Tables and pictures of the figures; one that does not apply is recorded with its reason."""
        plan, evaluations = self.plan, self.training.evaluations
        if not plan.figures:
            return
        context = FigureContext(
            norm=plan.name,
            scope=str(FitScope(plan.normalizer.scope)),
            split=plan.split_name,
            data=self.profiles.name,
            seed=plan.seed,
            normalized=self.normalized(None),
            heldout=self._heldout(),
            evaluations={key: folds for key, folds in evaluations.items() if key[1] in plan.models},
            baselines={key: folds for key, folds in evaluations.items() if key[1] in plan.baselines},
            scores=scores[scores["model"].isin(plan.models)],
            baseline_scores=scores[scores["model"].isin(plan.baselines)],
            findings=findings,
            raw=self.profiles,
            trials=self.training.tuning.trials,
            n_resamples=plan.n_resamples,
            scorecard=None if self.decision is None else self.decision.scorecard(),
            batch_tables=plan.batch_tables,
        )
        record_figures(plan.figures, context, self.recorder, timed=self.timed, step=step)

    def _heldout(self) -> Profiles | None:
        """Return a second pass with half of each plate's controls hidden; None where the method needs more controls."""
        try:
            return self.normalize(hide_controls(self.profiles, share=0.5, seed=self.plan.seed))(None)
        except InputError as needs_more:
            self.recorder.table(table_names.HELDOUT_CONTROLS_NOT_MADE, pd.DataFrame({"reason": [str(needs_more)]}))
            return None

    def report(self) -> None:
        """Zero-variance features and times."""
        names = dict.fromkeys(self._fit_name(split) for split in self.splits)
        if reports := [table for name in names for table in self.reports[name]]:
            table = whole_report(reports, self.profiles.features)
            self.recorder.table(table_names.ZERO_VARIANCE, table)
            counts = table.groupby("fallback")["feature"].count()
            self.recorder.metrics(
                {f"norm/zero_variance_{str(k).replace(' ', '_')}": float(v) for k, v in counts.items()}
            )
        self.recorder.metrics({f"time/{step}_seconds": seconds for step, seconds in self.seconds.items()})


def checker(
    plan: EvaluationPlan, profiles: Profiles, units: CheckpointStore
) -> Callable[[str], tuple[list[Finding], float]]:
    """Make the checks of a run that is executed elsewhere, on the profiles that it audits."""
    run = EvaluationRun(plan, profiles, NullRecorder())
    return lambda name: _found(run, name, units)


def _found(run: EvaluationRun, name: str, units: CheckpointStore) -> tuple[list[Finding], float]:
    """Return findings that ``run`` makes here and now, kept in ``units``, and the seconds that they took."""
    start = time.perf_counter()
    findings = run.findings(name)
    units.put(findings_to_table(findings), "audit", name)
    return findings, time.perf_counter() - start
