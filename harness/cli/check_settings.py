"""Check every setting of a composed configuration against its schema; name the file and line of a problem."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict
from omegaconf.errors import InterpolationResolutionError

from harness.cli.literal_overrides import literal_texts, task_overrides
from harness.cli.screen_error import ScreenError
from harness.core.exceptions import InputError
from harness.settings.check import find_problems, restore_text
from harness.settings.commands import command_fields
from harness.settings.members import CONF, Groups
from harness.settings.problem import Problem
from harness.settings.yaml_file import file_texts, key_lines
from harness.utils.redaction import redacted

_FILE = "file://"


def check_settings(cfg: DictConfig, command: str) -> None:
    """Refuse settings that cannot be used, before anything is read or computed.

    Text that Hydra read as a number is put back into ``cfg`` as it was written.

    Raises
    ------
    InputError : the first setting that is wrong, unknown, or refers to one that does not exist.
    """
    words = task_overrides()
    restore_texts(cfg, command, words)
    settings = plain_settings(cfg)
    problem = next(find_problems(settings, command, groups()), None)
    if problem is not None:
        error = InputError if problem.key.split(".")[0] == "norm" else ScreenError
        raise error(redacted(f"{problem}{_place(problem, words)}"))


def restore_texts(cfg: DictConfig, command: str, words: Sequence[str]) -> list[str]:
    """Put text back into ``cfg`` as it was written; return the dotted keys whose values changed."""
    settings, schema = plain_settings(cfg), command_fields(command)
    changed = settings
    for tree in [*(file_texts(file, group) for file, group in added_files()), literal_texts(words)]:
        changed = restore_text(schema, changed, tree)
    keys = list(_differences("", settings, changed))
    with open_dict(cfg):
        for key, value in keys:
            OmegaConf.update(cfg, key, value, merge=False)
    return [key for key, _ in keys]


def groups() -> Groups:
    """Return the members of ``conf/`` and of the folders that the command line added."""
    return Groups.of(added_folders())


def added_folders() -> list[Path]:
    """Return the folders of configurations other than ``conf/``: of ``--config-dir`` and ``hydra.searchpath``."""
    if not HydraConfig.initialized():
        return []
    paths = [str(source.path) for source in HydraConfig.get().runtime.config_sources if source.schema == "file"]
    folders = [Path(path.removeprefix(_FILE)) for path in paths]
    return [folder for folder in folders if folder.resolve() != CONF]


def added_files() -> Iterator[tuple[Path, str]]:
    """Yield the yamls of chosen members that lie in added folders, each with its group, in order of choice."""
    choices = HydraConfig.get().runtime.choices if HydraConfig.initialized() else {}
    for group, choice in choices.items():
        for member in [choice] if isinstance(choice, str) else choice or []:
            for folder in added_folders():
                file = folder / str(group) / f"{member}.yaml"
                if file.is_file():
                    yield file, str(group)


def plain_settings(cfg: DictConfig) -> dict[str, Any]:
    """Return the configuration as nested mappings, without ``hydra``, interpolations resolved.

    Raises
    ------
    InterpolationResolutionError : one that cannot be resolved; its ``full_key`` is the setting.
    """
    names: list[Any] = [name for name in cfg if name != "hydra"]
    try:
        settings = OmegaConf.to_container(OmegaConf.masked_copy(cfg, names), resolve=True)
    except InterpolationResolutionError as error:
        error.full_key = next(_unresolved("", cfg), "configuration")
        raise
    assert isinstance(settings, dict)
    return {str(key): value for key, value in settings.items()}


def _unresolved(key: str, node: Any) -> Iterator[str]:
    """Yield the dotted keys whose interpolation cannot be resolved."""
    names: Iterable[Any] = node.keys() if isinstance(node, DictConfig) else ()
    for name in range(len(node)) if isinstance(node, ListConfig) else names:
        place = f"{key}[{name}]" if isinstance(node, ListConfig) else f"{key}.{name}".lstrip(".")
        try:
            part = None if OmegaConf.is_missing(node, name) else node[name]
        except InterpolationResolutionError:
            yield place
        else:
            yield from _unresolved(place, part)


def _differences(key: str, before: Any, after: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(before, dict):
        for name, part in before.items():
            yield from _differences(f"{key}.{name}" if key else str(name), part, after[name])
    elif repr(before) != repr(after):
        yield key, after


def _place(problem: Problem, words: Sequence[str]) -> str:
    """Return `` (FILE, line N)`` if the setting stands in a yaml of the user and not on the command line."""
    key = problem.key.partition("[")[0]
    if any(word.lstrip("+~").partition("=")[0] == key for word in words):
        return ""
    path = tuple(key.split("."))
    matches = [
        (len(keys), file, line)
        for file, _ in added_files()
        for keys, line in key_lines(file).items()
        if path[-len(keys) :] == keys
    ]
    if not matches:
        return ""
    _, file, line = max(matches, key=lambda match: match[0])
    return f" ({file}, line {line})"
