"""Search spaces of chosen models: ``space/<model>.yaml`` of ``conf/`` or of a folder that the command line added."""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig, OmegaConf

from harness.cli.check_settings import groups
from harness.core.exceptions import InputError
from harness.settings.problem import hint
from harness.settings.yaml_file import YamlError, compose_yaml


def fill_search_spaces(cfg: DictConfig) -> Any:
    """Fill the search spaces of the chosen models into ``cfg`` and return its tuning; existing settings win.

    A user's own space, ``MINE/space/<model>.yaml`` of ``--config-dir MINE``, replaces the one in ``conf/space``.

    Raises
    ------
    InputError : settings of a space whose model is not chosen, or a yaml that cannot be used.
    """
    if "spaces" in cfg.tuning:
        models = [str(name) for name, node in cfg.model.items() if isinstance(node, DictConfig)]
        for name in cfg.tuning.spaces or {}:
            if name not in models:
                suggestion = hint(name, models)
                names = ", ".join(models)
                raise InputError(f"tuning.spaces.{name}: no such model is chosen; {suggestion}chosen are {names}")
        for name in models:
            merged = OmegaConf.merge(_space(name), (cfg.tuning.spaces or {}).get(name) or {})
            OmegaConf.update(cfg, f"tuning.spaces.{name}", merged, merge=False, force_add=True)
    return cfg.tuning


def _space(model: str) -> DictConfig:
    """Return the search space of a model by its name; empty if there is none."""
    members = groups()
    files = [folder / "space" / f"{model}.yaml" for folder in reversed(members.folders)]
    path = next((file for file in files if file.is_file()), None)
    if path is None:
        return OmegaConf.create()
    try:
        compose_yaml(path)
    except YamlError as error:
        raise InputError(str(error)) from error
    node = OmegaConf.load(path)
    assert isinstance(node, DictConfig)
    return node
