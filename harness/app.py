"""From a Hydra configuration to a recorded run, and from any error to one plain line and an exit status."""

from __future__ import annotations

import logging
import os
import re
import shlex
import sys
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import hydra
import pandas as pd
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, InstantiationException, MissingConfigException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException
from sklearn.utils._param_validation import InvalidParameterError

from harness.audit.verdict import Verdict
from harness.batch import assign_batches
from harness.bootstrap import FEWEST_BATCHES
from harness.data.store import load
from harness.norm.base import check_scope
from harness.run import Plan, Run, plan_splits, split_fingerprint
from harness.types import InputError, NotApplicable, Profiles

CONF = Path(__file__).resolve().parent.parent / "conf"
_UNTRACKED = ("tracking", "cache", "hydra")
_CHAIN = "harness.norm.chain.Chain"
_EXAMPLE = "dmso_within_then_sphering.yaml there"
BAD_INPUT = 2
INTERRUPTED = 130
MISTAKES = (InputError, NotApplicable, OmegaConfBaseException, InstantiationException, InvalidParameterError)


def available(group: str) -> list[str]:
    """Members of a configuration group."""
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def _listed(group: str) -> str:
    return ", ".join(available(group))


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
        raise InputError(f"no normalization was chosen; add +norm=NAME with one of {_listed('norm')}")
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


def load_profiles(cfg: DictConfig) -> Profiles:
    """The screen that ``cfg`` names, packed, with its batches."""
    profiles = load(instantiate(cfg.data, _convert_="all"), Path(cfg.cache))
    return assign_batches(profiles, instantiate(cfg.batch, _convert_="all"))


def flatten(node: Any, prefix: str = "") -> dict[str, Any]:
    """Nested configuration as dotted keys; lists stay values."""
    if not isinstance(node, dict):
        return {prefix: node}
    return {k: v for key, value in node.items() for k, v in flatten(value, f"{prefix}.{key}".lstrip(".")).items()}


def evaluate_config(cfg: DictConfig) -> None:
    """Load, split, evaluate and record what ``cfg`` describes."""
    plan = make_plan(cfg, chosen_norm(cfg), str(HydraConfig.get().runtime.choices["split"]))
    scope = check_scope(plan.normalizer.scope)
    tracking = instantiate(cfg.tracking)
    profiles = load_profiles(cfg)
    wells, splits = plan_splits(plan, profiles)
    resolved = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(resolved, dict)
    command = shlex.join(["python", "-m", "harness", *HydraConfig.get().overrides.task])
    tags = {
        "norm": plan.name,
        "split": plan.split_name,
        "scope": str(scope),
        "data": profiles.name,
        "data_fingerprint": profiles.fingerprint,
        "split_fingerprint": split_fingerprint(wells, splits),
        "held_out_batches": str(len({b for split in splits for b in wells.loc[split.test, "batch"]})),
        "command": command,
    }
    params = flatten({str(k): v for k, v in resolved.items() if k not in _UNTRACKED})
    dataset = (profiles.name, profiles.fingerprint)
    with tracking.run(plan.name, params=params, tags=tags, dataset=dataset) as recorder:
        recorder.text("config.yaml", OmegaConf.to_yaml(cfg, resolve=True))
        scores = Run(plan, profiles, recorder).execute()
        recorder.note(f"{summary(plan, scores)}\n\n`{command}`")
    print(summary(plan, scores))
    if int(tags["held_out_batches"]) < FEWEST_BATCHES:
        print(by_fold(plan, scores))


def summary(plan: Plan, scores: pd.DataFrame) -> str:
    """One line: the mean held-out AUROC of each model with its interval."""
    shown = scores[(scores["metric"] == "auroc") & (scores["over"] == "mean") & scores["model"].isin(plan.models)]
    parts = [
        f"{row.task}/{row.model} AUROC {row.value:.3f} [{row.lower:.3f}, {row.upper:.3f}]" for row in shown.itertuples()
    ]
    return f"{plan.name} ({plan.split_name}): {'; '.join(parts)}"


def by_fold(plan: Plan, scores: pd.DataFrame) -> str:
    """AUROC of each held-out fold: for so few batches that the interval of the mean says little."""
    shown = scores[(scores["metric"] == "auroc") & (scores["over"] == "fold") & scores["model"].isin(plan.models)]
    lines = [
        f"  {task}/{model}: " + ", ".join(f"{row.fold} {row.value:.3f}" for row in rows.itertuples())
        for (task, model), rows in shown.groupby(["task", "model"], sort=False)
    ]
    few = f"Fewer than {FEWEST_BATCHES} held-out batches: intervals resample plates only. AUROC by held-out fold:"
    return "\n".join([few, *lines])


def _plain(error: BaseException) -> str:
    """One line: what was got, what was expected, what to do."""
    cause = error.__cause__ if isinstance(error, InstantiationException) and error.__cause__ else error
    text = re.sub(r"\s+", " ", str(cause)).strip()
    if isinstance(error, InstantiationException) and not isinstance(cause, InputError):
        where = re.search(r"full_key: (\S+)", str(error))
        return f"{where.group(1) if where else 'configuration'}: {text}"
    if isinstance(error, MissingConfigException) and error.options and error.missing_cfg_file:
        group, _, member = error.missing_cfg_file.rpartition("/")
        return f"{group}: there is no {member!r}; choose one of {', '.join(error.options)}"
    if isinstance(error, MissingMandatoryValue):
        return f"{error.full_key} is not set; add {error.full_key}=VALUE"
    for pattern, remedy in _HYDRA.items():
        if found := re.match(pattern, text):
            return str(remedy(*found.groups()))
    return text


def _without_plus(group: str) -> str:
    return f"{group} is chosen with a plus: +{group}=NAME with one of {_listed(group)}"


def _given_twice(group: str) -> str:
    return f"{group} is given twice, or with a plus that it does not take; write it once"


def _unknown_setting(key: str, addition: str) -> str:
    return f"there is no setting {key!r}; --help lists them; one that only the code knows: {addition}"


def _several_values(argument: str) -> str:
    return f"{argument}: several values; add -m to sweep over them, or write a list as key=[a,b]"


def _no_member(group: str, member: str) -> str:
    return f"{group}: there is no {member!r}; choose one of {_listed(group)}"


_HYDRA: dict[str, Callable[..., str]] = {  # Hydra's own texts run over several lines and speak of defaults lists
    r"In '\w+': Could not load '(\w+)/([^']+)'": _no_member,
    r"Could not override '([^']+)'\. No match in the defaults list": _without_plus,
    r"Could not override '([^']+)'\. To append to your config use (\S+)": _unknown_setting,
    r"Multiple values for (\S+?)\. ": _given_twice,
    r"Ambiguous value for argument '(.+?)' 1\.": _several_values,
}


def _readable(argument: str) -> str:
    """``key=value`` as Hydra's grammar can read it: a regular expression or a query is put in quotes."""
    key, equals, value = argument.partition("=")
    if argument.startswith("-") or not equals:
        return argument
    try:
        OverridesParser.create().parse_override(argument)
    except HydraException:
        quote = "'" if "'" not in value else '"'
        return argument if quote in value else f"{key}={quote}{value}{quote}"
    return argument


def _label() -> str:
    """The normalization as it was asked for."""
    asked = [word.partition("=")[2] for word in HydraConfig.get().overrides.task if word.startswith("+norm=")]
    return f"{asked[0]}: " if asked else ""


def _show_warning(message: Warning | str, *_: Any) -> None:
    """Each warning once, as one line, without the source line that raised it."""
    _warn_once(str(message))


@cache
def _warn_once(message: str) -> None:
    print(f"harness: warning: {message}", file=sys.stderr)


def cli() -> int:
    """``python -m harness``: see :func:`command`."""
    return command("config", evaluate_config)


def command(config_name: str, body: Callable[[DictConfig], None]) -> int:
    """Compose ``conf/<config_name>.yaml`` with the command line and do ``body``, once or for each job of a sweep.

    Exit status: 0 all computed, 2 bad configuration or input (one line on stderr), 1 with a traceback otherwise.

    In a sweep a run that fails for its input leaves its line; the others go on, and the status is 2.
    """
    logging.basicConfig(format="harness: %(message)s", level=logging.WARNING, stream=sys.stderr, force=True)
    warnings.showwarning = _show_warning  # type: ignore[assignment]
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # errors arrive here as they are
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    refused: list[str] = []

    @hydra.main(config_path=str(CONF), config_name=config_name, version_base="1.3")
    def job(cfg: DictConfig) -> None:
        try:
            body(cfg)
        except MISTAKES as error:
            refused.append(f"{_label()}{_plain(error)}")
            print(f"harness: {refused[-1]}", file=sys.stderr)

    sys.argv[1:] = map(_readable, sys.argv[1:])
    try:
        job()
    except (HydraException, OmegaConfBaseException) as error:
        print(f"harness: {_plain(error)}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("harness: interrupted", file=sys.stderr)
        return INTERRUPTED
    return BAD_INPUT if refused else 0
