"""Overrides of a sweep before its jobs are made: Hydra rewrites them for each job, numbers without underscores."""

from __future__ import annotations

from typing import Any

from hydra.core.override_parser.types import ChoiceSweep
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from harness.cli.check_overrides import check_overrides
from harness.cli.check_settings import plain_settings
from harness.cli.literal_overrides import parse_override, quote_values, task_overrides
from harness.settings.check import kind_at, restore_text
from harness.settings.commands import command_fields
from harness.settings.kinds import Kind


def prepare_sweep(config: DictConfig) -> None:
    """Check the values of a sweep, also those of an experiment, and put quotes around numbers that are text.

    ``config`` is the sweep's configuration with ``hydra``, as Hydra's callbacks receive it.

    Raises
    ------
    InputError : a sweep over nothing, or over words that are no members.
    """
    words = task_overrides()
    keys = {word.lstrip("+").partition("=")[0] for word in words}
    params = OmegaConf.to_container(config.hydra.sweeper.get("params") or OmegaConf.create(), resolve=False)
    assert isinstance(params, dict)
    named = {str(key): value for key, value in params.items()}
    swept = [f"{key}={value}" for key, value in named.items() if key.lstrip("+") not in keys]
    check_overrides([*swept, *words])
    if config.hydra.job.config_name is None:
        return
    command = str(config.hydra.job.config_name)
    settings = plain_settings(config)
    with read_write(config.hydra), open_dict(config.hydra):
        config.hydra.overrides.task = [_as_text(word, command, settings) for word in words]


def _as_text(word: str, command: str, settings: dict[str, Any]) -> str:
    """Return the word with its numbers in quotes if its setting is text that Hydra would change."""
    override, text = parse_override(word), parse_override(quote_values(word))
    if override is None or text is None or override.is_delete():
        return word
    kind = kind_at(command_fields(command), settings, override.key_or_group.split("."))
    pairs = zip(_parts(override.value()), _parts(text.value()), strict=True)
    return quote_values(word) if any(_changes(kind, value, part) for value, part in pairs) else word


def _parts(value: Any) -> list[Any]:
    return list(value.list) if isinstance(value, ChoiceSweep) else [value]


def _changes(kind: Kind, value: Any, text: Any) -> bool:
    return repr(restore_text(kind, value, _plain(text))) != repr(value)


def _plain(text: Any) -> Any:
    """Return text without Hydra's marks of quotes."""
    if isinstance(text, list):
        return [_plain(part) for part in text]
    return getattr(text, "text", text)
