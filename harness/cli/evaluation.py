"""Make an evaluation, from the members that a configuration describes to a recorded run. Its imports are heavy."""

from __future__ import annotations

import shlex
import warnings
from pathlib import Path
from typing import Any

import pandas as pd
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from harness.audit.verdict import Verdict
from harness.cli.load_screen import LoadedScreen, leak_guard_level
from harness.cli.screen_error import as_screen_error
from harness.cli.search_spaces import fill_search_spaces
from harness.cli.skip_finished import acquire_evaluation
from harness.cli.sweep_counts import SKIPPED
from harness.core.profiles import Profiles
from harness.core.score_schema import Over
from harness.model.encode import encoded
from harness.norm.base import check_scope
from harness.run.checkpoint.checkpoint import FileCheckpoints
from harness.run.checkpoint.keys import RunKey
from harness.run.evaluation_run import EvaluationRun
from harness.run.plan import EvaluationPlan, PlannedFolds, plan_splits, split_fingerprint
from harness.scoring.bootstrap import FEWEST_BATCHES
from harness.settings.number_neutral import changes_numbers
from harness.task.labels.base import LABELS, TakesLabels
from harness.tracking.run_lookup import PROCESS, RUN_KEY
from harness.tracking.tracking import Tracking
from harness.utils.interruption import defer_interrupts
from harness.utils.process_identity import this_process
from harness.utils.redaction import redacted_config, redacted_value

_UNTRACKED = ("tracking", "cache", "units", "resume", "force", "hydra")


def record_evaluation(cfg: DictConfig, name: str, data: str) -> str:
    """Make and record the evaluation that ``cfg`` describes, unless it is finished; return the outcome.

    Parameters
    ----------
    name : of the normalization.
    data : key of the screen's content (:func:`harness.cli.screen_key.screen_key`).
    """
    tracking, key = instantiate(cfg.tracking), RunKey.from_config(_resolved(cfg), data=data)
    with acquire_evaluation(cfg, tracking, name, key) as outcome:
        if outcome != SKIPPED:
            _evaluate(cfg, name, tracking, key)
    return outcome


def _evaluate(cfg: DictConfig, name: str, tracking: Tracking, key: RunKey) -> None:
    """Load, split, evaluate and record."""
    with defer_interrupts():  # the members import their libraries
        plan = make_plan(cfg, name, str(HydraConfig.get().runtime.choices["split"]))
    plan.tuning.check(encoded(plan.models, plan.encode))
    level = leak_guard_level(cfg)
    with as_screen_error():
        screen = LoadedScreen(cfg)
        screen.check_leaks(level)
        profiles, plan = screen.profiles, screen.bind_labels(plan)
        folds = plan_splits(plan, profiles)
    screen.join_known_effects(plan, folds.wells)
    audited = screen.audit_subset(folds.wells, cfg.audit_wells, plan.seed) if plan.checks else None
    tags = {**_tags(plan, profiles, folds), RUN_KEY: key.run_key, PROCESS: " ".join(this_process())}
    params = flatten(redacted_config({key: value for key, value in _resolved(cfg).items() if changes_numbers(key)}))
    content = (profiles.fingerprint, tags["split_fingerprint"])
    units = FileCheckpoints(Path(cfg.units), key, content=content, fresh=cfg.force) if cfg.resume else None
    dataset = (profiles.name, profiles.fingerprint)
    with tracking.run(plan.name, params=params, tags=tags, dataset=dataset) as recorder:
        recorder.text("config.yaml", OmegaConf.to_yaml(OmegaConf.create(redacted_config(_resolved(cfg)))))
        for file, text in (screen.batch_inference.files() if screen.batch_inference else {}).items():
            recorder.text(file, text)
        for table, rows in screen.report.tables.items():
            recorder.table(table, pd.DataFrame(rows))
        run = EvaluationRun(plan, profiles, recorder, folds=folds, checkpoints=units, audited=audited)
        scores = run.execute()
        verdict = "" if run.decision is None else f"{plan.name} is {run.decision.headline}\n"
        restored = f"; {units.n_restored} parts restored from an interrupted run" if units and units.n_restored else ""
        recorder.note(f"{verdict}{format_summary(plan, scores)}{restored}\n\n`{tags['command']}`")
        print(f"{verdict}{format_summary(plan, scores)}{restored}")
        if int(tags["held_out_batches"]) < FEWEST_BATCHES:
            print(format_folds(plan, scores))
    if units:
        units.clear()


def _resolved(cfg: DictConfig) -> dict[str, Any]:
    resolved = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(resolved, dict)
    return {str(key): value for key, value in resolved.items()}


def make_plan(cfg: DictConfig, name: str, split_name: str) -> EvaluationPlan:
    """Return the plan with the members that a configuration chose."""

    def members(group: str, *settings: str) -> dict[str, Any]:
        chosen_members = {}
        for key, node in (cfg.get(group) or {}).items():
            if isinstance(node, DictConfig) and "_target_" not in node and key not in settings:
                warnings.warn(
                    f"{group}.{key} is set but not chosen: ignored; choose it by {group}=[..,{key}]", stacklevel=2
                )
            elif key not in settings:
                chosen_members[str(key)] = make(node)
        return chosen_members

    def make(node: Any) -> Any:
        return instantiate(node, _convert_="all")

    checks = members("audit")
    return EvaluationPlan(
        name=name,
        normalizer=make(cfg.norm),
        splitter=make(cfg.split),
        split_name=split_name,
        tasks=members("task"),
        models=members("model", "encode"),
        encode=OmegaConf.select(cfg, "model.encode"),
        metrics=list(members("metric").values()),
        baselines=members("baseline"),
        verdict=next((checks.pop(key) for key in list(checks) if isinstance(checks[key], Verdict)), None),
        checks=checks,
        figures=members("figure"),
        tuning=make(fill_search_spaces(cfg)),
        aggregate=cfg.aggregate,
        processes=cfg.processes,
        n_resamples=cfg.n_resamples,
        seed=cfg.seed,
    )


def flatten(node: Any, prefix: str = "") -> dict[str, Any]:
    """Return a nested configuration by dotted keys; lists stay values."""
    if not isinstance(node, dict):
        return {prefix: node}
    return {k: v for key, value in node.items() for k, v in flatten(value, f"{prefix}.{key}".lstrip(".")).items()}


def _tags(plan: EvaluationPlan, profiles: Profiles, folds: PlannedFolds) -> dict[str, str]:
    labelled = {name: task for name, task in plan.tasks.items() if isinstance(task, TakesLabels)}
    return {
        "norm": plan.name,
        "split": plan.split_name,
        "scope": str(check_scope(plan.normalizer.scope)),
        "data": profiles.name,
        "data_fingerprint": profiles.fingerprint,
        "split_fingerprint": split_fingerprint(*folds),
        "held_out_batches": str(len({b for split in folds.splits for b in folds.wells.loc[split.test, "batch"]})),
        "command": shlex.join(["python", "-m", "harness", *map(redacted_value, HydraConfig.get().overrides.task)]),
        **{f"{LABELS}{name}": task.fingerprint() for name, task in labelled.items()},
    }


def format_summary(plan: EvaluationPlan, scores: pd.DataFrame) -> str:
    """Return a line with the mean held-out AUROC of each model and its interval."""
    scores = scores[scores["group"] == ""]
    means = scores[(scores["metric"] == "auroc") & (scores["over"] == Over.MEAN) & scores["model"].isin(plan.models)]
    parts = [
        f"{row.task}/{row.model} AUROC {row.value:.3f} [{row.lower:.3f}, {row.upper:.3f}]" for row in means.itertuples()
    ]
    return f"{plan.name} ({plan.split_name}): {'; '.join(parts)}"


def format_folds(plan: EvaluationPlan, scores: pd.DataFrame) -> str:
    """Return the AUROC of each held-out fold, for so few batches that the interval of the mean says little."""
    scores = scores[scores["group"] == ""]
    folds = scores[(scores["metric"] == "auroc") & (scores["over"] == Over.FOLD) & scores["model"].isin(plan.models)]
    lines = [
        f"  {task}/{model}: " + ", ".join(f"{row.fold} {row.value:.3f}" for row in rows.itertuples())
        for (task, model), rows in folds.groupby(["task", "model"], sort=False)
    ]
    few = f"Fewer than {FEWEST_BATCHES} held-out batches: intervals resample plates only. AUROC by held-out fold:"
    return "\n".join([few, *lines])
