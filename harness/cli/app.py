"""From a Hydra configuration to a recorded run."""

from __future__ import annotations

import shlex
import warnings
from typing import Any

import pandas as pd
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from harness.audit.verdict import Verdict
from harness.bootstrap import FEWEST_BATCHES
from harness.cli.command import command
from harness.cli.messages import CONF, listed
from harness.cli.screen import Screen
from harness.cli.spaces import tuning_node
from harness.labels.base import LABELS, TakesLabels
from harness.model.encode import encoded
from harness.norm.base import check_scope
from harness.plan import Plan, plan_splits, split_fingerprint
from harness.redact import redacted
from harness.run import Run
from harness.types import InputError

_UNTRACKED = ("tracking", "cache", "hydra")
_CHAIN = "harness.norm.chain.Chain"
_EXAMPLE = "dmso_within_then_sphering.yaml there"


def make_plan(cfg: DictConfig, name: str, split_name: str) -> Plan:
    """The members that a configuration chose."""

    def members(group: str, *settings: str) -> dict[str, Any]:
        found = {}
        for key, node in (cfg.get(group) or {}).items():
            if isinstance(node, DictConfig) and "_target_" not in node and key not in settings:
                warnings.warn(
                    f"{group}.{key} is set but not chosen: ignored; choose it by {group}=[..,{key}]", stacklevel=2
                )
            elif key not in settings:
                found[str(key)] = make(node)
        return found

    def make(node: Any) -> Any:
        return instantiate(node, _convert_="all")

    checks = members("audit")
    return Plan(
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
        tuning=make(tuning_node(cfg)),
        aggregate=cfg.aggregate,
        processes=cfg.processes,
        n_resamples=cfg.n_resamples,
        seed=cfg.seed,
    )


def chosen_norm(cfg: DictConfig) -> str:
    """Name of the chosen normalization; a list of names, ``+norm=[a,b]``, becomes a chain in ``cfg``.

    Raises
    ------
    InputError : none was chosen, or settings of a chain that is given as names.
    """
    if OmegaConf.is_missing(cfg, "norm"):
        raise InputError(f"no normalization was chosen; add +norm=NAME with one of {listed('norm')}")
    words = [OverridesParser.create().parse_override(word) for word in HydraConfig.get().overrides.task]
    names = next((word.value() for word in words if word.key_or_group == "norm"), None)
    if not isinstance(names, list):
        return str(HydraConfig.get().runtime.choices["norm"])
    if settings := [str(word.key_or_group) for word in words if word.key_or_group.startswith("norm.")]:
        raise InputError(
            f"{settings[0]}: which step of {names}? write the chain as conf/norm/NAME.yaml, see {_EXAMPLE}"
        )
    steps = [OmegaConf.load(CONF / "norm" / f"{name}.yaml") for name in names]  # Hydra has merged them into one
    OmegaConf.update(cfg, "norm", {"_target_": _CHAIN, "steps": steps}, merge=False, force_add=True)
    return "+".join(names)


def flatten(node: Any, prefix: str = "") -> dict[str, Any]:
    """Nested configuration as dotted keys; lists stay values."""
    if not isinstance(node, dict):
        return {prefix: node}
    return {k: v for key, value in node.items() for k, v in flatten(value, f"{prefix}.{key}".lstrip(".")).items()}


def evaluate_config(cfg: DictConfig) -> None:
    """Load, split, evaluate and record what ``cfg`` describes."""
    plan = make_plan(cfg, chosen_norm(cfg), str(HydraConfig.get().runtime.choices["split"]))
    scope = check_scope(plan.normalizer.scope)
    plan.tuning.check(encoded(plan.models, plan.encode))
    tracking = instantiate(cfg.tracking)
    screen = Screen(cfg)
    profiles, plan = screen.profiles, screen.bind(plan)
    wells, splits = plan_splits(plan, profiles)
    screen.join_scores(plan, wells)
    audited = screen.some(wells, cfg.audit_wells, plan.seed) if plan.checks else None
    resolved = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(resolved, dict)
    command = redacted(shlex.join(["python", "-m", "harness", *HydraConfig.get().overrides.task]))
    tags = {
        "norm": plan.name,
        "split": plan.split_name,
        "scope": str(scope),
        "data": profiles.name,
        "data_fingerprint": profiles.fingerprint,
        "split_fingerprint": split_fingerprint(wells, splits),
        "held_out_batches": str(len({b for split in splits for b in wells.loc[split.test, "batch"]})),
        "command": command,
        **{f"{LABELS}{name}": task.fingerprint() for name, task in plan.tasks.items() if isinstance(task, TakesLabels)},
    }
    params = flatten({str(k): v for k, v in resolved.items() if k not in _UNTRACKED})
    dataset = (profiles.name, profiles.fingerprint)
    with tracking.run(plan.name, params=params, tags=tags, dataset=dataset) as recorder:
        recorder.text("config.yaml", redacted(OmegaConf.to_yaml(cfg, resolve=True)))
        for name, text in (screen.found.files() if screen.found else {}).items():
            recorder.text(name, text)
        scores = Run(plan, profiles, recorder, audited).execute()
        recorder.note(f"{summary(plan, scores)}\n\n`{command}`")
        print(summary(plan, scores))
        if int(tags["held_out_batches"]) < FEWEST_BATCHES:
            print(by_fold(plan, scores))


def summary(plan: Plan, scores: pd.DataFrame) -> str:
    """One line: the mean held-out AUROC of each model with its interval."""
    scores = scores[scores["group"] == ""]
    shown = scores[(scores["metric"] == "auroc") & (scores["over"] == "mean") & scores["model"].isin(plan.models)]
    parts = [
        f"{row.task}/{row.model} AUROC {row.value:.3f} [{row.lower:.3f}, {row.upper:.3f}]" for row in shown.itertuples()
    ]
    return f"{plan.name} ({plan.split_name}): {'; '.join(parts)}"


def by_fold(plan: Plan, scores: pd.DataFrame) -> str:
    """AUROC of each held-out fold: for so few batches that the interval of the mean says little."""
    scores = scores[scores["group"] == ""]
    shown = scores[(scores["metric"] == "auroc") & (scores["over"] == "fold") & scores["model"].isin(plan.models)]
    lines = [
        f"  {task}/{model}: " + ", ".join(f"{row.fold} {row.value:.3f}" for row in rows.itertuples())
        for (task, model), rows in shown.groupby(["task", "model"], sort=False)
    ]
    few = f"Fewer than {FEWEST_BATCHES} held-out batches: intervals resample plates only. AUROC by held-out fold:"
    return "\n".join([few, *lines])


def cli() -> int:
    """``python -m harness``: see :func:`command`."""
    return command("config", evaluate_config)
