"""Turn each of Hydra's errors into one plain line that begins with the nearest name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from hydra.errors import InstantiationException, MissingConfigException, OverrideParseException
from omegaconf.errors import InterpolationKeyError, InterpolationResolutionError, MissingMandatoryValue

from harness.cli.literal_overrides import parse_override
from harness.core.exceptions import InputError
from harness.settings.commands import command_fields
from harness.settings.composite_kinds import Node, Nodes
from harness.settings.describe import settings_of
from harness.settings.kinds import RESERVED
from harness.settings.members import CONF as CONF
from harness.settings.members import Groups, read
from harness.settings.problem import hint

_PLUS = ("norm", "experiment")


def member_names(group: str) -> list[str]:
    """Return the names of the members of a configuration group."""
    return Groups().members(group)


def list_members(group: str) -> str:
    """Return the names of the members of a configuration group in one line."""
    return ", ".join(member_names(group))


def format_error(error: BaseException, command: str = "config") -> str:
    """Return one line: the value, the expectation, the remedy.

    ``command``: name of the composed configuration, ``conf/<command>.yaml``, whose names are suggested.
    """
    cause = error.__cause__ if isinstance(error, InstantiationException) and error.__cause__ else error
    text = re.sub(r"\s+", " ", str(cause)).strip()
    if isinstance(error, InstantiationException) and not isinstance(cause, InputError):
        key = re.search(r"full_key: (\S+)", str(error))
        return f"{key.group(1) if key else 'configuration'}: {text}"
    if isinstance(error, MissingConfigException) and error.options and error.missing_cfg_file:
        group, _, member = error.missing_cfg_file.rpartition("/")
        suggestion = hint(member, error.options)
        return f"{group}: there is no {member!r}; {suggestion}choose one of {', '.join(error.options)}"
    if isinstance(error, MissingMandatoryValue):
        return f"{error.full_key} is not set; add {error.full_key}=VALUE"
    if isinstance(error, InterpolationKeyError | InterpolationResolutionError):
        return _unresolved(error, command)
    if isinstance(error, OverrideParseException):
        return _unreadable(str(error.override))
    for pattern, remedy in _HYDRA.items():
        if match := re.match(pattern, text):
            return str(remedy(command, *match.groups()))
    return text


def _unresolved(error: InterpolationKeyError | InterpolationResolutionError, command: str) -> str:
    reason = re.sub(r"\s+", " ", str(error).splitlines()[0]).strip()
    if match := re.match(r"Interpolation key '(.+?)' not found", reason):
        names = [name for name in command_fields(command).fields if name != match[1]]
        reason = f"refers to {match[1]!r}, which is no setting; {hint(match[1], names)}write ${{NAME}} of one that is"
    return f"{error.full_key}: {reason}"


def setting_keys(command: str) -> Iterator[tuple[str, str]]:
    """Yield the dotted key of each setting and the word before ``=VALUE``: the key, or ``+key`` if no yaml has it."""
    content = read(CONF / f"{command}.yaml")
    for key in _keys({name: part for name, part in content.items() if name not in ("defaults", "hydra")}):
        yield key, key
    for group in command_fields(command).fields:
        for _, key, node in Groups().nodes(group):
            for setting in settings_of(key, node):
                yield setting.key, setting.key if setting.in_yaml else f"+{setting.key}"
                if setting.in_yaml and isinstance(setting.value, dict):
                    for name in _keys(setting.value):
                        yield f"{setting.key}.{name}", f"{setting.key}.{name}"


def _keys(node: Any, prefix: str = "") -> Iterator[str]:
    for name, part in node.items():
        if name not in RESERVED:
            yield f"{prefix}{name}"
            yield from _keys(part, f"{prefix}{name}.") if isinstance(part, dict) else ()


def _without_plus(command: str, group: str) -> str:
    groups = [name for name, field in command_fields(command).fields.items() if isinstance(field.kind, Node | Nodes)]
    if group in _PLUS and (group in groups or command == "config"):
        return f"{group} is chosen with a plus: +{group}=NAME with one of {list_members(group)}"
    return f"there is no group {group!r} here; {hint(group, groups)}groups are {', '.join(groups)}"


def _set_twice(_: str, group: str) -> str:
    return f"{group} is set twice, or with a plus that it does not take; write it once"


def _unknown_setting(command: str, key: str, addition: str) -> str:
    places = dict(setting_keys(command))
    names = _mapping_keys(addition)
    if names:
        settings = [place.removeprefix(f"{key}.") for place in places if place.startswith(f"{key}.")]
        unknown = next((name for name in names if name not in settings), names[0])
        if not settings:
            return f"{key}.{unknown}: a mapping cannot add settings; write each as +{key}.{unknown}=VALUE"
        return f"there is no setting '{key}.{unknown}'; {hint(unknown, settings, f'{key}.')}--help lists them"
    if "/" in key:
        return f"there is no group {key!r}; --help lists them"
    if places.get(key, key) != key:
        return f"{key} is not in the configuration; add it with a plus: {places[key]}=VALUE"
    if key in places:
        return f"{key}: its member is not chosen here; choose it by {_choice(key)}"
    parent, _, name = key.rpartition(".")
    siblings = [place.removeprefix(f"{parent}.") for place in places if place.rpartition(".")[0] == parent]
    suggestion = hint(name, siblings, f"{parent}." if parent else "") or hint(
        key, [place for place in places if not key.startswith(f"{place}.")]
    )
    return f"there is no setting {key!r}; {suggestion}--help lists them"


def _choice(key: str) -> str:
    """Return how to choose the member that a setting belongs to."""
    groups = Groups()
    group = key.partition(".")[0]
    choices = [
        f"{group}=[..,{name}]" if groups.takes_list(group) else f"{'+' if group in _PLUS else ''}{group}={name}"
        for name, place, node in groups.nodes(group)
        if key in {f"{place}.{setting}" for setting in _keys(node)}
    ]
    return " or ".join(choices) or f"{group}=NAME"


def _unreadable(word: str) -> str:
    key, _, value = word.partition("=")
    quote = "'" if "'" not in value else '"'
    form = f"{key}={quote}..{quote}" if value else "key=VALUE"
    return f"{word[:80]}: cannot be read; a setting is written key=VALUE, text with marks in quotes: {form}"


def _mapping_keys(word: str) -> list[str]:
    """Return the keys of the mapping that an override assigns; empty if it assigns something else."""
    override = parse_override(word)
    value = None if override is None else override.value()
    return [str(key) for key in value] if isinstance(value, dict) else []


def _cannot_leave_out(_: str, key: str) -> str:
    return f"~{key}: there is no such setting to leave out; --help lists them"


def _cannot_merge(_: str, name: str) -> str:
    form = "members are chosen in the defaults, `- override /GROUP: [NAME,...]`"
    return f"{name}: a list or a single value stands where settings by name are expected; {form}"


def _of_another_type(_: str, key: str) -> str:
    return f"{key}: a mapping cannot replace a list or a single value, nor the reverse; --help shows its form"


def _several_values(_: str, argument: str) -> str:
    return f"{argument}: several values; add -m to sweep over them, or write a list as key=[a,b]"


def _no_member(_: str, group: str, member: str) -> str:
    return f"{group}: there is no {member!r}; {hint(member, member_names(group))}choose one of {list_members(group)}"


_HYDRA: dict[str, Callable[..., str]] = {  # Hydra's own texts run over several lines and speak of defaults lists
    r"In '[^']+': Could not (?:load|find) '(\w+)/([^']+)'": _no_member,
    r"Could not override '([^']+)'\. No match in the defaults list": _without_plus,
    r"Could not override '([^']+)'\. To append to your (?:config|default list) use (.+)": _unknown_setting,
    r"Could not delete (?:from config\. )?'?([^\s']+)'?": _cannot_leave_out,
    r"In '([^']+)': ConfigTypeError raised while composing config: Cannot merge": _cannot_merge,
    r"Error merging override ([^\s=]+)=": _of_another_type,
    r"Multiple values for (\S+?)\. ": _set_twice,
    r"Ambiguous value for argument '(.+?)' 1\.": _several_values,
}
