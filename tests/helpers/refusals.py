"""The check of a command line as the commands make it, without running anything."""

from __future__ import annotations

from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from harness.cli.check_overrides import check_overrides
from harness.cli.check_settings import check_settings
from harness.cli.chosen_norm import resolve_norm
from harness.cli.config_source import register_config_source
from harness.cli.error_messages import CONF, format_error
from harness.cli.search_spaces import fill_search_spaces
from harness.core.exceptions import InputError


def configured(*words: str, command: str = "config", folder: Path | None = None) -> DictConfig:
    """The checked configuration of a command line; ``folder`` is what ``--config-dir`` names.

    Raises
    ------
    InputError, HydraException, OmegaConfBaseException : what the commands print as one line.
    """
    register_config_source()
    added = [] if folder is None else [f"hydra.searchpath=[file://{folder}]"]
    check_overrides([*words, *added])
    try:
        with initialize_config_dir(config_dir=str(CONF), version_base="1.3"):
            cfg = compose(command, overrides=[*words, *added], return_hydra_config=True)
        HydraConfig.instance().set_config(cfg)
        with open_dict(cfg):
            del cfg["hydra"]
        OmegaConf.set_struct(cfg, True)
        if command == "config" or (command == "apply" and not OmegaConf.is_missing(cfg, "norm")):
            resolve_norm(cfg)
        check_settings(cfg, command)
        if command == "config":
            fill_search_spaces(cfg)
    finally:
        HydraConfig.instance().cfg = None
    return cfg


def refusal(*words: str, command: str = "config", folder: Path | None = None) -> str | None:
    """The line that a command line is refused with; None if it is accepted."""
    try:
        configured(*words, command=command, folder=folder)
    except (InputError, HydraException, OmegaConfBaseException) as error:
        return format_error(error, command)
    return None
