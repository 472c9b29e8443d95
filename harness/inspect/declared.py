"""Read class attributes of members from their source, without importing them: scikit-learn takes seconds."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_BODY = re.compile(r"^(?:class |def |async def |@|if )", re.MULTILINE)  # begins the part after the imports of a module
_METHOD = re.compile(r"^    (?:def |async def |@)", re.MULTILINE)  # begins the part after the attributes of a class


def targets_of(node: object) -> Iterator[str]:
    """Yield every ``_target_`` of a member's configuration, those of inner members included."""
    if isinstance(node, Mapping):
        if "_target_" in node:
            yield str(node["_target_"])
        for value in node.values():
            yield from targets_of(value)
    elif isinstance(node, list):
        for value in node:
            yield from targets_of(value)


@cache
def declared_attribute(target: str, attribute: str) -> Any:
    """Return a class attribute of ``target`` (``module.Class``) that is a literal, own or inherited, or None.

    Attributes stand before the methods of a class. Bases of another package are not looked at: that would import it.
    """
    module, _, name = target.rpartition(".")
    definition = _definition(module, name)
    if definition is None:
        return None
    for statement in definition.body:
        value = _assigned(statement, attribute)
        if value is not None:
            return ast.literal_eval(value)
    for base in definition.bases:
        if isinstance(base, ast.Name):
            inherited = _imports(module).get(base.id, f"{module}.{base.id}")
            is_ours = inherited.partition(".")[0] == module.partition(".")[0]
            value = declared_attribute(inherited, attribute) if is_ours else None
            if value is not None:
                return value
    return None


@cache
def _source(module: str) -> str:
    try:
        spec = find_spec(module)
    except ModuleNotFoundError:
        return ""
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return ""
    return Path(spec.origin).read_text(encoding="utf-8")


@cache
def _imports(module: str) -> dict[str, str]:
    """Return the full names of the names that the module imports by ``from ... import``."""
    source = _source(module)
    body = _BODY.search(source)
    head = ast.parse(source[: body.start()] if body else source)
    statements = [node for node in head.body if isinstance(node, ast.ImportFrom) and node.module]
    return {alias.asname or alias.name: f"{node.module}.{alias.name}" for node in statements for alias in node.names}


@cache
def _definition(module: str, name: str) -> ast.ClassDef | None:
    """Return the head of a class: its bases, and its body up to the first method."""
    source = _source(module)
    start = re.search(rf"^class {re.escape(name)}\b", source, re.MULTILINE)
    if start is None:
        return None
    rest = source[start.start() :]
    end = min([match.start() for match in (_METHOD.search(rest), _BODY.search(rest, 1)) if match], default=len(rest))
    (definition,) = ast.parse(f"{rest[:end]}\n    pass\n").body
    assert isinstance(definition, ast.ClassDef)
    return definition


def _assigned(statement: ast.stmt, attribute: str) -> ast.expr | None:
    if isinstance(statement, ast.Assign):
        names = [target.id for target in statement.targets if isinstance(target, ast.Name)]
        return statement.value if attribute in names else None
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        return statement.value if statement.target.id == attribute else None
    return None
