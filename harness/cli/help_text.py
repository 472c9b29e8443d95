"""Text of ``--help``; Hydra's own copies its repository of configurations for each group, which takes a second."""

from __future__ import annotations

import string
from collections.abc import Sequence
from pathlib import Path

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf, open_dict

from harness.cli.error_messages import CONF
from harness.utils.redaction import redacted


def help_text(config_name: str, overrides: Sequence[str], config_dir: str | None) -> str:
    """Return the help of a command: its groups, and its settings with ``overrides`` applied.

    Parameters
    ----------
    config_dir : a folder with further members of groups (Hydra's option of that name), or None.
    """
    folders = [CONF] if config_dir is None else [CONF, Path(config_dir).absolute()]
    further = [f"hydra.searchpath=[{','.join(f'file://{folder}' for folder in folders[1:])}]"] if folders[1:] else []
    with initialize_config_dir(config_dir=str(CONF), version_base="1.3"):
        cfg = compose(config_name, overrides=[*overrides, *further], return_hydra_config=True)
    template = string.Template(cfg.hydra.help.template)
    with open_dict(cfg):
        del cfg["hydra"]
    groups = "".join(f"{group}: {', '.join(members)}\n" for group, members in _groups(folders).items())
    return redacted(template.safe_substitute(APP_CONFIG_GROUPS=groups, CONFIG=OmegaConf.to_yaml(cfg)))


def _groups(folders: Sequence[Path]) -> dict[str, list[str]]:
    """Return the sorted names of the members of each group, without Hydra's own."""
    members: dict[str, set[str]] = {}
    for folder in folders:
        for path in folder.rglob("*.yaml"):
            group = path.parent.relative_to(folder).as_posix()
            if group != "." and group.split("/")[0] != "hydra":
                members.setdefault(group, set()).add(path.stem)
    return {group: sorted(names) for group, names in sorted(members.items())}
