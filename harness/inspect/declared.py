"""Read what members declare of themselves from their source, without importing them: scikit-learn takes seconds."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any


def targets(node: object) -> Iterator[str]:
    """Yield every ``_target_`` of a member's configuration, those of inner members included."""
    if isinstance(node, Mapping):
        if "_target_" in node:
            yield str(node["_target_"])
        for value in node.values():
            yield from targets(value)
    elif isinstance(node, list):
        for value in node:
            yield from targets(value)


def declared(target: str, attribute: str) -> Any:
    """Return a class attribute of ``target`` (``module.Class``) that is a literal, an inherited one included, or None."""
    module, _, name = target.rpartition(".")
    tree = _tree(module)
    definition = None if tree is None else _definition(tree, name)
    if tree is None or definition is None:
        return None
    for statement in definition.body:
        value = _assigned(statement, attribute)
        if value is not None:
            return ast.literal_eval(value)
    for base in definition.bases:
        if isinstance(base, ast.Name):
            value = declared(_imported(tree, base.id) or f"{module}.{base.id}", attribute)
            if value is not None:
                return value
    return None


@cache
def _tree(module: str) -> ast.Module | None:
    try:
        spec = find_spec(module)
    except ModuleNotFoundError:
        return None
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    return ast.parse(Path(spec.origin).read_text(encoding="utf-8"))


def _definition(tree: ast.Module, name: str) -> ast.ClassDef | None:
    return next((node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name), None)


def _assigned(statement: ast.stmt, attribute: str) -> ast.expr | None:
    if isinstance(statement, ast.Assign):
        names = [target.id for target in statement.targets if isinstance(target, ast.Name)]
        return statement.value if attribute in names else None
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        return statement.value if statement.target.id == attribute else None
    return None


def _imported(tree: ast.Module, name: str) -> str | None:
    """Return the full name of what the module imports as ``name``."""
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return f"{node.module}.{alias.name}"
    return None
