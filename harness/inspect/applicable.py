"""Decide which members of a group apply to a screen, and why the others do not."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import yaml

from harness.cli.error_messages import CONF, member_names
from harness.inspect.declared import declared_attribute, targets_of
from harness.inspect.facts import Facts, unmet_need

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # OmegaConf's own takes ten times as long


@dataclass(frozen=True)
class Member:
    """A member of a configuration group; ``reason`` tells why it does not apply; empty if it does."""

    name: str
    reason: str


def judge_members(group: str, facts: Facts) -> list[Member]:
    """Return the members of ``group``, each with the first of its needs that the screen does not fulfil."""
    return [Member(name, _reason(_node(group, name), facts)) for name in member_names(group)]


def required_settings(group: str, name: str) -> list[str]:
    """Return the settings of a member that have no default."""
    node = _node(group, name)
    return [f"{group}.{key}" for key, value in node.items() if value == "???"]


def _node(group: str, name: str) -> dict[str, Any]:
    with (CONF / group / f"{name}.yaml").open(encoding="utf-8") as file:
        node = yaml.load(file, Loader=_LOADER)
    assert isinstance(node, dict)
    return {str(key): value for key, value in node.items()}


def _reason(node: dict[str, Any], facts: Facts) -> str:
    for target in targets_of(node):
        for module in declared_attribute(target, "requires") or ():
            if find_spec(module) is None:
                return f"{module} is not installed"
        for need in declared_attribute(target, "needs") or ():
            reason = unmet_need(need, facts)
            if reason:
                return reason
    return ""
