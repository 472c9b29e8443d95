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
from harness.evaluate import Evaluated, evaluate_groups
from harness.figure.base import FigureContext, PageMember
from harness.model.encode import encoded, warn_unseen
from harness.model.folds import Folds, sharing
from harness.norm.base import Report, depends_on_training, normalize
from harness.norm.scaling import whole_report
from harness.plan import Plan, plan_splits, split_fingerprint
from harness.progress import Step, bar
from harness.recorder import Nowhere, Recorder
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
    audited : the run whose checks are made: this one, or of a large screen one of some of its plates.
    """

    def __init__(self, plan: Plan, profiles: Profiles, recorder: Recorder, audited: Profiles | None = None) -> None:
        self.plan = plan
        self.profiles = profiles
        self.recorder = recorder
        self.wells, self.splits = plan_splits(plan, profiles)
        self.models = encoded(plan.models, plan.encode)
        self.tuning = Answers(plan.tuning)
        self.seconds: dict[str, float] = defaultdict(float)
        self.reports: list[pd.DataFrame] = []
        self.evaluations: dict[tuple[str, str], list[Evaluation]] = {}
        self.declined: dict[tuple[str, str], str] = {}
        self.undefined: dict[tuple[str, str], dict[str, dict[str, str]]] = {}  # fold -> group of a task -> reason
        self.normalized = self.normalize(profiles, self.reports.append)
        sampled = replace(plan, figures={}, baselines={}, tuning=NoTuning())
        self.audited = self if audited is None else Run(sampled, audited, Nowhere())

    @property
    def depends_on_split(self) -> bool:
        """Whether the normalization must be fitted again for each fold."""
        return depends_on_training(self.plan.normalizer)

    def normalize(self, profiles: Profiles, report: Report | None = None) -> BySplit:
        """Normalized wells of ``profiles`` for a split; made once where the split does not change them."""

        def fit(split: Split | None) -> Profiles:
            tell = report if (split is not None) == self.depends_on_split else None  # of the fits that are scored
            with self.timed("normalize"):
                return normalize(profiles, self.plan.normalizer, split, aggregate=self.plan.aggregate, report=tell)

        every_row = cache(lambda: fit(None))
        return lambda split: fit(split) if split is not None and self.depends_on_split else every_row()

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
        others = [n for n, c in plan.checks.items() if not (c.before_training or c.reads_evaluations or c.whole)]
        helpers = min(plan.processes, cores()) - 1
        # WORKERS models at a time, one thread each: linear algebra threads would only wait for each other
        with (
            threadpool_limits(1),
            ThreadPoolExecutor(1) as first,
            beside(
                checker,
                replace(plan, figures={}),
                self.audited.profiles,
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
                fit = partial(self._fit, shared(split), split, step)
                for pair, answer in zip(pairs, pool.map(fit, pairs), strict=True):
                    if isinstance(answer, NotApplicable):
                        self.declined[pair] = answer.reason
                    else:
                        self.evaluations.setdefault(pair, []).extend(answer.evaluations)
                        self.undefined.setdefault(pair, {})[split.name] = answer.declined

    def _fit(self, folds: Folds, split: Split, step: Step, pair: tuple[str, str]) -> Evaluated | NotApplicable:
        task, name = pair
        normalized = folds.profiles
        model = self.models[name] if name in self.models else self.plan.baselines[name]
        said = partial(_say, step, f"{name}, {split.name} held out")
        if self.plan.tuning.active and name in self.models:
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
        plan, check = self.plan, self.plan.checks[name]
        if self.audited is not self and not check.whole:
            return self.audited.check(name)
        start = time.perf_counter()
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
            findings = list(check.findings(context))
        except NotApplicable as undefined:
            findings = [Finding(f"audit/{name}", float("nan"), reason=undefined.reason)]
        return findings, time.perf_counter() - start

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
        declined = []
        for name, figure in plan.figures.items():
            step(name)
            try:
                with self.timed(f"figure_{name}"):
                    tables = figure.tables(context)
                    pictures = figure.draw(tables, context)
                    pages = figure.pages(tables, context) if isinstance(figure, PageMember) else {}
            except NotApplicable as undefined:
                declined.append({"figure": name, "reason": undefined.reason})
                continue
            with self.timed("record"):
                for key, table in tables.items():
                    self.recorder.table(key, table)
                for key, picture in pictures.items():
                    self.recorder.figure(key, picture)
                for key, html in pages.items():
                    self.recorder.text(f"{key}.html", html)
        if declined:
            self.recorder.table("figures_not_drawn", pd.DataFrame(declined))

    def _heldout(self) -> Profiles | None:
        """A second pass with half of each plate's controls hidden; None where the method needs more controls."""
        try:
            return self.normalize(hide_controls(self.profiles, share=0.5, seed=self.plan.seed))(None)
        except InputError as needs_more:
            self.recorder.table("heldout_controls_not_made", pd.DataFrame({"reason": [str(needs_more)]}))
            return None

    def report(self) -> None:
        """Zero-variance features and times."""
        if self.reports:
            table = whole_report(self.reports, self.profiles.features)
            self.recorder.table("zero_variance", table)
            counts = table.groupby("fallback")["feature"].count()
            self.recorder.metrics(
                {f"norm/zero_variance_{str(k).replace(' ', '_')}": float(v) for k, v in counts.items()}
            )
        self.recorder.metrics({f"time/{step}_seconds": seconds for step, seconds in self.seconds.items()})


def checker(plan: Plan, profiles: Profiles) -> Callable[[str], tuple[list[Finding], float]]:
    """Makes the checks of a run that is executed elsewhere."""
    return Run(plan, profiles, Nowhere()).check


def _say(step: Step, what: str, group: str) -> None:
    step(f"{group}, {what}".lstrip(", "))
