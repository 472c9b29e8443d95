"""Check a whole configuration, a plain nested mapping, before anything of it is used."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.settings.commands import command_fields, group_settings
from harness.settings.composite_kinds import Field, Fields, Node, Nodes
from harness.settings.kinds import MISSING, Kind
from harness.settings.members import Groups
from harness.settings.problem import Problem, hint, wrong_value
from harness.settings.signature import fields_of, fields_of_callable
from harness.settings.source import exists, read_module
from harness.settings.third_party import RULES

Settings = Mapping[str, Any]
_SPACE = ": spaces are not chosen: conf/space/<model>.yaml goes with its model; tuning=optuna reads it"


def find_problems(settings: Settings, command: str, groups: Groups) -> Iterator[Problem]:
    """Yield the problems of ``settings``, the resolved configuration of ``conf/<command>.yaml``."""
    schema = command_fields(command)
    if "space" in settings:
        yield Problem("space", _SPACE)
    settings = _without_missing(settings, schema)
    yield from _group_setting_problems(settings, schema)
    settings = _without_group_settings(settings, schema)
    yield from schema.problems("", settings)
    for name, field in schema.fields.items():
        if isinstance(field.kind, Nodes) and isinstance(settings.get(name), Mapping):
            yield from _group_problems(name, settings[name], groups)
    yield from _node_problems("", settings)


def restore_text(kind: Kind, value: Any, text: Any) -> Any:
    """Return ``value`` with its texts as they were written: ``text`` has the same shape, with None for unknowns."""
    if not isinstance(value, Mapping):
        return kind.restored(value, text)
    if not isinstance(text, Mapping):
        return value
    if isinstance(value.get("_target_"), str):
        kind = fields_of(value["_target_"]) or Fields(extra=Kind())
    return {name: restore_text(kind.child(str(name)), part, text.get(str(name))) for name, part in value.items()}


def kind_at(kind: Kind, settings: Settings, path: Sequence[str]) -> Kind:
    """Return the kind of the setting at ``path``; any value is right if the setting is unknown."""
    value: Any = settings
    for name in path:
        if isinstance(value, Mapping) and isinstance(value.get("_target_"), str):
            kind = fields_of(value["_target_"]) or Fields(extra=Kind())
        kind = kind.child(name)
        value = value.get(name) if isinstance(value, Mapping) else None
    return kind


def _without_missing(settings: Settings, schema: Fields) -> Settings:
    """Leave out missing settings that are optional."""
    optional = [name for name, field in schema.fields.items() if not field.required]
    return {name: value for name, value in settings.items() if not (name in optional and value == MISSING)}


def _settings_of_groups(settings: Settings, schema: Fields) -> Iterator[tuple[str, Mapping[str, Field]]]:
    """Yield the groups of one member that are set, with the settings of the group itself."""
    for name, field in schema.fields.items():
        if isinstance(field.kind, Node) and isinstance(settings.get(name), Mapping):
            yield name, group_settings(name).fields


def _group_setting_problems(settings: Settings, schema: Fields) -> Iterator[Problem]:
    for group, fields in _settings_of_groups(settings, schema):
        for name in [name for name in fields if name in settings[group]]:
            yield from fields[name].kind.problems(f"{group}.{name}", settings[group][name])


def _without_group_settings(settings: Settings, schema: Fields) -> Settings:
    """Leave out the settings of groups themselves, and groups without a member."""
    members = dict(settings)
    for group, fields in _settings_of_groups(settings, schema):
        member = {name: value for name, value in settings[group].items() if name not in fields}
        if member or not settings[group]:
            members[group] = member
        else:
            del members[group]
    return members


def _group_problems(group: str, members: Settings, groups: Groups) -> Iterator[Problem]:
    """Yield problems of the group's own settings, and settings of members that do not exist."""
    own_settings = group_settings(group).fields
    for name, part in members.items():
        if name in own_settings:
            yield from own_settings[name].kind.problems(f"{group}.{name}", part)
        elif not isinstance(part, Mapping):
            expected = f"a member with its settings; leave it out by {group}=[NAME,...] without it"
            yield wrong_value(f"{group}.{name}", part, expected)
        elif "_target_" not in part and name not in groups.keys(group):
            names = [*groups.keys(group), *own_settings]
            yield Problem(
                f"{group}.{name}", f": there is no such member; {hint(name, names)}choose from {', '.join(names)}"
            )


def _node_problems(key: str, value: Any) -> Iterator[Problem]:
    """Yield the problems of every node with ``_target_`` at or below ``key``."""
    if isinstance(value, list | tuple):
        for i, part in enumerate(value):
            yield from _node_problems(f"{key}[{i}]", part)
    if not isinstance(value, Mapping):
        return
    if "_target_" in value:
        yield from member_problems(key, value)
    for name, part in value.items():
        yield from _node_problems(f"{key}.{name}" if key else str(name), part)


def member_problems(key: str, node: Settings) -> Iterator[Problem]:
    """Yield the problems of one node with ``_target_``, without those of nodes in it."""
    target = node["_target_"]
    if not isinstance(target, str) or not all(part.isidentifier() for part in target.split(".")):
        yield wrong_value(f"{key}._target_", target, "the dotted name of a class or function")
        return
    fields = fields_of(target)
    if fields is None:
        problem, fields = _imported(key, target)
        if problem is not None:
            yield problem
    if fields is None:
        return
    single = list(fields.problems(key, node))
    yield from single
    if not single and target in RULES and (text := RULES[target](node)) is not None:
        yield Problem(f"{key}.", text)


def _imported(key: str, target: str) -> tuple[Problem | None, Fields | None]:
    """Return the settings of a class or function that only an import reveals, or the problem with it."""
    module_name, _, name = target.rpartition(".")
    module = read_module(module_name) if module_name else None
    names = [] if module is None else [*module.nodes, *module.imports]
    if module is not None and name not in names and "__getattr__" not in names:
        return Problem(f"{key}._target_", f"={target}: there is no {name}; {hint(name, names)}see {module_name}"), None
    if not exists(target):
        return wrong_value(f"{key}._target_", target, "the dotted name of something that is installed"), None
    try:
        return None, fields_of_callable(getattr(importlib.import_module(module_name), name))
    except Exception as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())
        return Problem(f"{key}._target_", f"={target}: cannot be imported ({text})"), None
