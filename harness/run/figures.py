"""Figures of a run: their context, tables and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pandas as pd

from harness.audit.scorecard.decision import Decision
from harness.audit.shared.hidden_controls import hide_controls
from harness.core import table_names
from harness.core.exceptions import InputError, NotApplicable
from harness.core.finding import Finding
from harness.core.profiles import Profiles
from harness.core.recorder import Recorder
from harness.core.scope import FitScope
from harness.figure.base import FigureContext, FigureMember
from harness.run.normalized_screen import NormalizedScreen
from harness.run.plan import EvaluationPlan
from harness.run.step_times import StepTimes
from harness.run.training import Training
from harness.utils.progress import Step


def prepare_figures(figures: Mapping[str, FigureMember], pool: ThreadPoolExecutor) -> list[Future[None]]:
    """Start what figures can prepare while models train, e.g. imports that take seconds."""
    return [pool.submit(figure.prepare) for figure in figures.values() if hasattr(figure, "prepare")]


def figure_context(
    plan: EvaluationPlan,
    screen: NormalizedScreen,
    training: Training,
    recorder: Recorder,
    *,
    scores: pd.DataFrame,
    findings: Sequence[Finding],
    decision: Decision | None,
) -> FigureContext:
    """Return everything that a figure may read of a run."""
    return FigureContext(
        norm=plan.name,
        scope=str(FitScope(plan.normalizer.scope)),
        split=plan.split_name,
        data=screen.profiles.name,
        seed=plan.seed,
        normalized=screen.for_split(None),
        heldout=_with_hidden_controls(screen, plan.seed, recorder),
        evaluations={key: folds for key, folds in training.evaluations.items() if key[1] in plan.models},
        baselines={key: folds for key, folds in training.evaluations.items() if key[1] in plan.baselines},
        scores=scores[scores["model"].isin(plan.models)],
        baseline_scores=scores[scores["model"].isin(plan.baselines)],
        findings=findings,
        raw=screen.profiles,
        trials=training.tuning.trials,
        n_resamples=plan.n_resamples,
        scorecard=None if decision is None else decision.scorecard(),
        batch_tables=plan.batch_tables,
    )


def _with_hidden_controls(screen: NormalizedScreen, seed: int, recorder: Recorder) -> Profiles | None:
    """Normalize once more with half of each plate's controls hidden; return None if the method needs more controls."""
    try:
        return screen.with_profiles(hide_controls(screen.profiles, share=0.5, seed=seed)).for_split(None)
    except InputError as needs_more:
        recorder.table(table_names.HELDOUT_CONTROLS_NOT_MADE, pd.DataFrame({"reason": [str(needs_more)]}))
        return None


def record_figures(
    figures: Mapping[str, FigureMember],
    context: FigureContext,
    recorder: Recorder,
    *,
    times: StepTimes,
    step: Step,
) -> None:
    """Make and record each figure; one that has no meaning here is listed in ``figures_not_drawn`` with its reason.

    Parameters
    ----------
    times : measures each figure as a step, and the recording.
    step : called with the name of each figure.
    """
    not_drawn = []
    for name, figure in figures.items():
        step(name)
        try:
            with times.measure(f"figure_{name}"):
                tables = figure.tables(context)
                pictures = figure.draw(tables, context)
                pages = figure.pages(tables, context)
        except NotApplicable as undefined:
            not_drawn.append({"figure": name, "reason": undefined.reason})
            continue
        with times.measure("record"):
            for key, table in tables.items():
                recorder.table(key, table)
            for key, picture in pictures.items():
                recorder.figure(key, picture)
            for key, html in pages.items():
                recorder.text(f"{key}.html", html)
    if not_drawn:
        recorder.table(table_names.FIGURES_NOT_DRAWN, pd.DataFrame(not_drawn))
