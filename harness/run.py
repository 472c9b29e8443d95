"""One evaluation of one normalization: the data flow, from profiles to recorded scores."""

from __future__ import annotations

import hashlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial

import pandas as pd
from threadpoolctl import threadpool_limits

from harness.aggregate import expand
from harness.audit.base import AuditContext, BySplit, Finding
from harness.audit.relabel import hide_controls
from harness.audit.verdict import Decision, Verdict
from harness.beside import beside
from harness.cores import cores
from harness.drawing import draw
from harness.evaluate import evaluate_groups
from harness.figure.base import FigureContext
from harness.model.encode import encoded, warn_unseen
from harness.model.folds import Folds, sharing
from harness.norm.base import depends_on_training, normalize, output_table
from harness.norm.scaling import whole_report
from harness.plan import Plan, plan_splits, split_fingerprint
from harness.progress import Step, bar
from harness.recorder import Nowhere, Recorder
from harness.resume.encoding import findings_of, of_findings, of_reports, reports_of
from harness.resume.evaluated import Answer, from_kept, to_kept
from harness.resume.units import Units, Unkept
from harness.score_run import score_run
from harness.tuning.answers import Answers
from harness.tuning.base import Question, described
from harness.tuning.none import NoTuning
from harness.types import Evaluation, FitScope, InputError, NotApplicable, Profiles, Split

WORKERS = 2  # models trained, or checks made, at the same time, where there are as many cores


class Run:
    """One evaluation in progress: what the split does not change is normalized once and shared.

    Attributes
    ----------
    units : where parts of this run are kept.
    audited : the run whose checks are made: this one, or of a large screen one of some of its plates.
    """

    def __init__(
        self,
        plan: Plan,
        profiles: Profiles,
        recorder: Recorder,
        *,
        units: Units | None = None,
        audited: Profiles | None = None,
    ) -> None:
        self.plan = plan
        needs_planted = any(stage.needs_planted for stage in plan.normalizer.stages())
        self.profiles = (
            profiles if needs_planted else profiles.replace(planted=None)
        )  # else it is read, and checked, too
        self.recorder = recorder
        self.units = units or Unkept()
        self.wells, self.splits = plan_splits(plan, profiles)
        self.models = encoded(plan.models, plan.encode)
        self.tuning = Answers(plan.tuning)
        self.seconds: dict[str, float] = defaultdict(float)
        self.reports: dict[str, list[pd.DataFrame]] = {}  # by fold; one for all where the split changes nothing
        self.evaluations: dict[tuple[str, str], list[Evaluation]] = {}
        self.declined: dict[tuple[str, str], str] = {}
        self.undefined: dict[tuple[str, str], dict[str, dict[str, str]]] = {}  # fold -> group of a task -> reason
        self.normalized = self.normalize(self.profiles, scored=True)
        sampled = replace(plan, figures={}, baselines={}, tuning=NoTuning())
        self.audited = self if audited is None else Run(sampled, audited, Nowhere())

    @property
    def depends_on_split(self) -> bool:
        """Whether the normalization must be fitted again for each fold."""
        return depends_on_training(self.plan.normalizer)

    def normalize(self, profiles: Profiles, *, scored: bool = False) -> BySplit:
        """Normalized wells of ``profiles`` for a split; made once where the split does not change them.

        Of those that are ``scored`` the normalizer's reports are kept.
        """

        def fit(split: Split | None) -> Profiles:
            told: list[pd.DataFrame] | None = [] if scored and (split is not None) == self.depends_on_split else None
            report = None if told is None else told.append
            with self.timed("normalize"):
                result = normalize(profiles, self.plan.normalizer, split, aggregate=self.plan.aggregate, report=report)
            if told is not None:
                self.reports[self._fit_name(split)] = told
                self.units.put(of_reports(told), "report", self._fit_name(split))
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
        """Everything, in order; returns the table of scores."""
        plan = self.plan
        n_models = sum(len(task.groups) for task in plan.tasks.values()) * (len(plan.models) + len(plan.baselines))
        self.say_unseen()
        n_steps = len(self.splits) * n_models + len(plan.checks) + len(plan.figures)
        others = [name for name, check in plan.checks.items() if check.anywhere and not self.units.has("audit", name)]
        helpers = min(plan.processes, cores()) - 1
        # WORKERS models at a time, one thread each: linear algebra threads would only wait for each other
        with (
            threadpool_limits(1),
            ThreadPoolExecutor(1) as first,
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
            self.train(step)
            self.tuning.record(self.recorder)
            scores = self.score()
            found |= self.audit(step, elsewhere.results([name for name in plan.checks if name not in early]))
            findings = [finding for name in plan.checks for finding in found[name]]
            self.recorder.findings(findings)
            if plan.verdict is not None:
                self.recorder.verdict(self._decide(plan.verdict, findings))
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

    def train(self, step: Step) -> None:
        """Fit every model of every task on every fold; a baseline that does not apply is noted with its reason."""
        models = {**self.models, **self.plan.baselines}
        pairs = [(task, model) for task in self.plan.tasks for model in models]
        with ThreadPoolExecutor(min(WORKERS, cores())) as pool:
            shared = sharing(self.normalized, self.splits)
            for split in self.splits:
                answers = self._taken_over(split, pairs, step)
                missing = [pair for pair in pairs if pair not in answers]
                if missing or not self._reported(split):
                    fit = partial(self._fit, shared(split), split, step)
                    answers |= zip(missing, pool.map(fit, missing), strict=True)
                for pair in pairs:
                    if isinstance(answer := answers[pair], NotApplicable):
                        self.declined[pair] = answer.reason
                    else:
                        self.evaluations.setdefault(pair, []).extend(answer.evaluations)
                        self.undefined.setdefault(pair, {})[split.name] = answer.declined

    def _taken_over(self, split: Split, pairs: Sequence[tuple[str, str]], step: Step) -> dict[tuple[str, str], Answer]:
        """What an attempt that was cut off had evaluated of this fold."""
        answers: dict[tuple[str, str], Answer] = {}
        wells = output_table(self.profiles, self.plan.aggregate)
        for task, name in pairs:
            kept = None if self._tuned(name) else self.units.take("evaluation", task, name, split.name)
            if kept is not None:
                answers[task, name] = from_kept(kept, wells, split, self.plan.seed)
                for group in self.plan.tasks[task].groups:
                    _say(step, f"{name}, {split.name} held out", group)
        return answers

    def _reported(self, split: Split) -> bool:
        """Whether the normalizer's report on this fold is there, from this attempt or an earlier one."""
        name = self._fit_name(split)
        if name not in self.reports and (kept := self.units.take("report", name)) is not None:
            self.reports[name] = reports_of(kept)
        return name in self.reports

    def _tuned(self, name: str) -> bool:
        """Whether the tuner has to be asked, who goes on with trials that he has kept himself."""
        return self.plan.tuning.active and name in self.models

    def _fit(self, folds: Folds, split: Split, step: Step, pair: tuple[str, str]) -> Answer:
        answer = self._evaluate(folds, split, step, *pair)
        if not self._tuned(pair[1]):
            self.units.put(to_kept(answer), "evaluation", *pair, split.name)
        return answer

    def _evaluate(self, folds: Folds, split: Split, step: Step, task: str, name: str) -> Answer:
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

    def _question(self, normalized: Profiles, split: Split, task: str, name: str) -> Question:
        """What the tuner is asked: it is given the training wells of the fold and nothing else."""
        plan = self.plan
        training = normalized.take(expand(split.train, normalized.wells))
        content = self.profiles.fingerprint or hashlib.sha256(training.X.tobytes()).hexdigest()
        identity = (described(plan.normalizer), plan.aggregate, content, split_fingerprint(self.wells, self.splits))
        return Question(
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
            compound_disjoint=getattr(plan.splitter, "compound_disjoint", False),
            seed=plan.seed,
        )

    def score(self) -> pd.DataFrame:
        """Scores, resamples and predictions of all models, recorded, and the tables of the tasks."""
        with self.timed("score"):
            tables = score_run(
                self.plan.tasks,
                self.evaluations,
                self.plan.metrics,
                declined=self.declined,
                undefined=self.undefined,
                n_resamples=self.plan.n_resamples,
            )
        scores = tables["scores"]
        self.recorder.scores(scores[scores["model"].isin(self.plan.models) | (scores["over"] == "mean")])
        tables |= self.plan.batch_tables
        for task in self.plan.tasks.values():
            tables |= task.tables() if hasattr(task, "tables") else {}
        for name, table in tables.items():
            self.recorder.table(name, table)
        return scores

    def audit(self, step: Step, made: Iterable[tuple[str, tuple[list[Finding], float]]]) -> dict[str, list[Finding]]:
        """Findings by check, as they come."""
        found = {}
        for name, (findings, seconds) in made:
            found[name] = findings
            self.seconds[f"audit_{name}"] = seconds
            step(name)
        return found

    def check(self, name: str) -> tuple[list[Finding], float]:
        """Findings of a check and the seconds it took; one that does not apply answers with its reason."""
        check = self.plan.checks[name]
        lasting = not (self.plan.tuning.active and check.reads_evaluations)
        units = self.units if lasting else Unkept()
        if (kept := units.take("audit", name)) is not None:
            return findings_of(kept), 0.0
        return _found(self if check.whole else self.audited, name, units)

    def findings(self, name: str) -> list[Finding]:
        """The same, made here and now."""
        plan, check = self.plan, self.plan.checks[name]
        if check.reads_evaluations and not self.evaluations:
            self.train(lambda _: None)
        context = AuditContext(
            profiles=self.profiles,
            wells=self.wells,
            normalize=self.normalize,
            normalized=self.normalized,
            splits=self.splits,
            splitter=plan.splitter,
            tasks=plan.tasks,
            models=self.models,
            evaluations=self.evaluations,
            n_resamples=plan.n_resamples,
            seed=plan.seed,
        )
        try:
            return list(check.findings(context))
        except NotApplicable as undefined:
            return [Finding(f"audit/{name}", float("nan"), reason=undefined.reason)]

    def _decide(self, verdict: Verdict, findings: Sequence[Finding]) -> Decision:
        n_plates, n_batches = (self.audited.wells[column].nunique() for column in ("plate", "batch"))
        decision = verdict.decide(findings, n_plates=n_plates, n_batches=n_batches)
        if self.audited is self:
            return decision
        total = self.wells["plate"].nunique()
        said = f"Audited on {n_plates} of {total} plates, drawn from all batches (audit_wells)."
        return replace(decision, paragraph=f"{decision.paragraph} {said}")

    def draw(self, step: Step, scores: pd.DataFrame, findings: Sequence[Finding]) -> None:
        """Tables and pictures of the figures; one that does not apply is recorded with its reason."""
        plan = self.plan
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
            evaluations={key: self.evaluations[key] for key in self.evaluations if key[1] in plan.models},
            baselines={key: self.evaluations[key] for key in self.evaluations if key[1] in plan.baselines},
            scores=scores[scores["model"].isin(plan.models)],
            baseline_scores=scores[scores["model"].isin(plan.baselines)],
            findings=findings,
            raw=self.profiles,
            trials=self.tuning.trials,
            n_resamples=plan.n_resamples,
            batch_tables=plan.batch_tables,
        )
        draw(plan.figures, context, self.recorder, timed=self.timed, step=step)

    def _heldout(self) -> Profiles | None:
        """A second pass with half of each plate's controls hidden; None where the method needs more controls."""
        try:
            return self.normalize(hide_controls(self.profiles, share=0.5, seed=self.plan.seed))(None)
        except InputError as needs_more:
            self.recorder.table("heldout_controls_not_made", pd.DataFrame({"reason": [str(needs_more)]}))
            return None

    def report(self) -> None:
        """Zero-variance features and times."""
        names = dict.fromkeys(self._fit_name(split) for split in self.splits)
        if reports := [table for name in names for table in self.reports[name]]:
            table = whole_report(reports, self.profiles.features)
            self.recorder.table("zero_variance", table)
            counts = table.groupby("fallback")["feature"].count()
            self.recorder.metrics(
                {f"norm/zero_variance_{str(k).replace(' ', '_')}": float(v) for k, v in counts.items()}
            )
        self.recorder.metrics({f"time/{step}_seconds": seconds for step, seconds in self.seconds.items()})


def checker(plan: Plan, profiles: Profiles, units: Units) -> Callable[[str], tuple[list[Finding], float]]:
    """Makes the checks of a run that is executed elsewhere, on the profiles that it audits."""
    run = Run(plan, profiles, Nowhere())
    return lambda name: _found(run, name, units)


def _found(run: Run, name: str, units: Units) -> tuple[list[Finding], float]:
    """Findings that ``run`` makes here and now, kept in ``units``, and the seconds that they took."""
    start = time.perf_counter()
    findings = run.findings(name)
    units.put(of_findings(findings), "audit", name)
    return findings, time.perf_counter() - start


def _say(step: Step, what: str, group: str) -> None:
    step(f"{group}, {what}".lstrip(", "))
