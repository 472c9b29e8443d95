"""Table of settings: every member of a group with its settings, defaults and ranges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from harness.settings.composite_kinds import Field
from harness.settings.kinds import MISSING, RESERVED
from harness.settings.members import Groups
from harness.settings.problem import format_value
from harness.settings.signature import fields_of


class Setting(NamedTuple):
    """A setting of a member: its dotted key, its value in the yaml or else its default, and its kind.

    ``in_yaml``: it is changed by ``key=VALUE``; a setting of the constructor alone takes ``+key=VALUE``.
    """

    key: str
    in_yaml: bool
    value: Any
    field: Field | None


class Row(NamedTuple):
    """A row of the table: ``range`` in words; ``default`` is empty for a setting that the user must set."""

    member: str
    setting: str
    default: str
    range: str


def describe(group: str, groups: Groups | None = None) -> list[Row]:
    """Return the rows of every member of ``group``, from constructors and yamls; one without settings has one row."""
    rows = []
    for member, key, node in (groups or Groups()).nodes(group):
        settings = [_row(member, setting) for setting in settings_of(key, node) if not _is_node(setting.value)]
        rows += settings or [Row(member, "", "", "nothing to set")]
    return rows


def settings_of(key: str, node: Mapping[str, Any]) -> Iterator[Setting]:
    """Yield the settings of the node at ``key`` and of the nodes in it, those of the yaml first."""
    fields = fields_of(node["_target_"])
    schema = {} if fields is None else fields.fields
    for name in dict.fromkeys([*node, *schema]):
        if name in RESERVED:
            continue
        field = schema.get(name)
        value = node.get(name, None if field is None else field.default)
        yield Setting(f"{key}.{name}", name in node, value, field)
        if _is_node(value):
            yield from settings_of(f"{key}.{name}", value)


def _is_node(value: Any) -> bool:
    return isinstance(value, Mapping) and "_target_" in value


def _row(member: str, setting: Setting) -> Row:
    field = setting.field
    required = setting.value == MISSING or (not setting.in_yaml and field is not None and field.required)
    default = "" if required else format_value(setting.value).strip("'")
    plus = "" if setting.in_yaml else "+"
    return Row(member, f"{plus}{setting.key}", default, "" if field is None else field.kind.expected)
