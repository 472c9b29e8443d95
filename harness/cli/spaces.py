"""Search spaces beside the models: ``conf/space/<model>.yaml``."""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig, OmegaConf

from harness.cli.messages import CONF
from harness.errors import InputError


def tuning_node(cfg: DictConfig) -> Any:
    """The tuning of ``cfg`` with the search spaces of the chosen models filled in; what is set there already wins.

    Raises
    ------
    InputError : settings of a space whose model is not chosen, or a space chosen like a member.
    """
    if "space" in cfg:
        raise InputError("spaces are not chosen: conf/space/<model>.yaml goes with its model; tuning=optuna reads it")
    if "spaces" in cfg.tuning:
        models = [str(name) for name, node in cfg.model.items() if isinstance(node, DictConfig)]
        for name in cfg.tuning.spaces:
            if name not in models:
                raise InputError(f"tuning.spaces.{name}: there is no such model here; chosen are {', '.join(models)}")
        for name in models:
            path = CONF / "space" / f"{name}.yaml"
            own = OmegaConf.load(path) if path.is_file() else OmegaConf.create()
            merged = OmegaConf.merge(own, cfg.tuning.spaces.get(name) or {})
            OmegaConf.update(cfg, f"tuning.spaces.{name}", merged, merge=False, force_add=True)
    return cfg.tuning
