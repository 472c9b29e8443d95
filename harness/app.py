"""From a Hydra configuration to a recorded run, and from any error to one plain line and an exit status."""

from __future__ import annotations

import logging
import os
import re
import sys
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import hydra
import pandas as pd
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from harness.batch import assign_batches
from harness.data.store import load
from harness.norm.base import check_scope
from harness.run import Plan, Run, plan_splits, split_fingerprint
from harness.types import InputError, NotApplicable

CONF = Path(__file__).resolve().parent.parent / "conf"
_UNTRACKED = ("tracking", "cache", "hydra")
BAD_INPUT = 2


def available(group: str) -> list[str]:
    """Members of a configuration group."""
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def make_plan(cfg: DictConfig, name: str, split_name: str) -> Plan:
    """The members that a configuration chose."""

    def members(group: str) -> dict[str, Any]:
        return {str(key): make(node) for key, node in (cfg.get(group) or {}).items()}

    def make(node: Any) -> Any:
        return instantiate(node, _convert_="all")

    return Plan(
        name=name,
        normalizer=make(cfg.norm),
        splitter=make(cfg.split),
        split_name=split_name,
        tasks=members("task"),
        models=members("model"),
        metrics=list(members("metric").values()),
        baselines=members("baseline"),
        checks=members("audit"),
        figures=members("figure"),
        aggregate=cfg.aggregate,
        n_resamples=cfg.n_resamples,
        seed=cfg.seed,
    )


def flatten(node: Any, prefix: str = "") -> dict[str, Any]:
    """Nested configuration as dotted keys; lists stay values."""
    if not isinstance(node, dict):
        return {prefix: node}
    return {k: v for key, value in node.items() for k, v in flatten(value, f"{prefix}.{key}".lstrip(".")).items()}


def evaluate_config(cfg: DictConfig) -> None:
    """Load, split, evaluate and record what ``cfg`` describes."""
    if OmegaConf.is_missing(cfg, "norm"):
        raise InputError(f"no normalization was chosen; add +norm=NAME with one of {', '.join(available('norm'))}")
    choices = HydraConfig.get().runtime.choices
    plan = make_plan(cfg, str(choices["norm"]), str(choices["split"]))
    scope = check_scope(plan.normalizer.scope)
    tracking = instantiate(cfg.tracking)
    profiles = load(instantiate(cfg.data, _convert_="all"), Path(cfg.cache))
    profiles = assign_batches(profiles, instantiate(cfg.batch, _convert_="all"))
    wells, splits = plan_splits(plan, profiles)
    resolved = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(resolved, dict)
    tags = {
        "norm": plan.name,
        "split": plan.split_name,
        "scope": str(scope),
        "data": profiles.name,
        "data_fingerprint": profiles.fingerprint,
        "split_fingerprint": split_fingerprint(wells, splits),
    }
    params = flatten({str(k): v for k, v in resolved.items() if k not in _UNTRACKED})
    dataset = (profiles.name, profiles.fingerprint)
    with tracking.run(plan.name, params=params, tags=tags, dataset=dataset) as recorder:
        recorder.text("config.yaml", OmegaConf.to_yaml(cfg, resolve=True))
        scores = Run(plan, profiles, recorder).execute()
    print(summary(plan, scores))


def summary(plan: Plan, scores: pd.DataFrame) -> str:
    """One line: the mean held-out AUROC of each model with its interval."""
    shown = scores[(scores["metric"] == "auroc") & (scores["over"] == "mean") & scores["model"].isin(plan.models)]
    parts = [
        f"{row.task}/{row.model} AUROC {row.value:.3f} [{row.lower:.3f}, {row.upper:.3f}]" for row in shown.itertuples()
    ]
    return f"{plan.name} ({plan.split_name}): {'; '.join(parts)}"


@hydra.main(config_path=str(CONF), config_name="config", version_base="1.3")
def _main(cfg: DictConfig) -> None:
    try:
        evaluate_config(cfg)
    except (InputError, NotApplicable, OmegaConfBaseException, InstantiationException) as error:
        problem = InputError(_plain(error))
        label = "" if OmegaConf.is_missing(cfg, "norm") else f"{HydraConfig.get().runtime.choices.get('norm')}: "
        print(f"harness: {label}{problem}", file=sys.stderr)
        raise problem from error


def _plain(error: BaseException) -> str:
    """One line: for a member that could not be made, what its constructor said."""
    cause = error.__cause__ if isinstance(error, InstantiationException) and error.__cause__ else error
    text = re.sub(r"\s+", " ", str(cause)).strip()
    if isinstance(error, InstantiationException) and not isinstance(cause, InputError):
        where = re.search(r"full_key: (\S+)", str(error))
        text = f"{where.group(1) if where else 'configuration'}: {text}"
    return text


def _show_warning(message: Warning | str, *_: Any) -> None:
    """Each warning once, as one line, without the source line that raised it."""
    _warn_once(str(message))


@cache
def _warn_once(message: str) -> None:
    print(f"harness: warning: {message}", file=sys.stderr)


def cli() -> int:
    """Exit status: 0 all computed, 2 bad configuration or input (one line on stderr), 1 with a traceback otherwise."""
    logging.basicConfig(format="harness: %(message)s", level=logging.WARNING, stream=sys.stderr)
    warnings.showwarning = _show_warning  # type: ignore[assignment]
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # errors arrive here as they are
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    try:
        _main()
    except InputError:
        return BAD_INPUT
    except (HydraException, OmegaConfBaseException) as error:
        print(f"harness: {_plain(error)}", file=sys.stderr)
        return BAD_INPUT
    return 0
