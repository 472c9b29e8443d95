"""Read classes, functions, constants and imports of a module from its source, without importing it."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_DEEPEST = 20  # modules that a name may be handed on through


@dataclass(frozen=True)
class Module:
    """Top-level names of a module: ``nodes`` are defined in it, ``imports`` come from (module, name there)."""

    name: str
    nodes: dict[str, ast.AST]
    imports: dict[str, tuple[str, str]]


@dataclass(frozen=True)
class Definition:
    """A class, a function or an assigned value, and the module that defines it."""

    module: Module
    node: ast.AST


def locate(dotted: str) -> Definition | None:
    """Return the definition of ``package.module.Name``; None if its source cannot be found."""
    module_name, _, name = dotted.rpartition(".")
    module = read_module(module_name) if module_name else None
    return None if module is None else lookup(module, name)


def exists(module: str) -> bool:
    """Return whether the first package of a dotted name is installed."""
    try:
        return importlib.util.find_spec(module.partition(".")[0]) is not None
    except (ImportError, ValueError):
        return False


def lookup(module: Module, name: str, depth: int = 0) -> Definition | None:
    """Return the definition of ``name`` in ``module``, followed through imports."""
    if name in module.nodes:
        return Definition(module, module.nodes[name])
    if name not in module.imports or depth > _DEEPEST:
        return None
    source, original = module.imports[name]
    other = read_module(source)
    return None if other is None else lookup(other, original, depth + 1)


def constant(module: Module, node: ast.AST) -> Any:
    """Return the value of an expression of literals and names of constants; of a mapping only the keys.

    Raises
    ------
    ValueError : an expression that would have to be run.
    """
    if isinstance(node, ast.Name | ast.Attribute):
        definition = lookup(module, node.id) if isinstance(node, ast.Name) else None
        if definition is None:
            raise ValueError(ast.unparse(node))
        return constant(definition.module, definition.node)
    if isinstance(node, ast.Tuple | ast.List):
        return tuple(_entries(module, node.elts))
    if isinstance(node, ast.Dict):
        return {constant(module, key): None for key in node.keys if key is not None}
    if isinstance(node, ast.ClassDef):  # an enumeration
        values = [part.value for part in node.body if isinstance(part, ast.Assign)]
        return tuple(constant(module, value) for value in values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        return constant(module, node.left) ** constant(module, node.right)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub):
        return constant(module, node.left) - constant(module, node.right)
    try:
        return ast.literal_eval(node)
    except (TypeError, MemoryError, RecursionError) as error:
        raise ValueError(ast.unparse(node)) from error


def _entries(module: Module, nodes: Iterable[ast.expr]) -> Iterator[Any]:
    for node in nodes:
        if isinstance(node, ast.Starred):
            yield from constant(module, node.value)
        else:
            yield constant(module, node)


@cache
def read_module(name: str) -> Module | None:
    """Return a module by its dotted name; None if there is no source of that name, or none that can be parsed."""
    path = _path(name)
    if path is None:
        return None
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None
    module = Module(name, {}, {})
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    _collect(tree.body, module, package)
    return module


def _path(name: str) -> Path | None:
    """Return the file of a module: only its first package is looked up, so that nothing is imported."""
    first, *parts = name.split(".")
    try:
        spec = importlib.util.find_spec(first)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    if not parts:
        return Path(spec.origin) if spec.origin and spec.origin.endswith(".py") else None
    for folder in spec.submodule_search_locations or ():
        stem = Path(folder, *parts)
        for path in (stem.with_name(f"{stem.name}.py"), stem / "__init__.py"):
            if path.is_file():
                return path
    return None


def _collect(body: Iterable[ast.stmt], module: Module, package: str) -> None:
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            module.nodes[node.name] = node
        elif isinstance(node, ast.Assign):
            module.nodes.update({target.id: node.value for target in node.targets if isinstance(target, ast.Name)})
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            module.nodes[node.target.id] = node.value
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")
            base = parents[: len(parents) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            module.imports.update({alias.asname or alias.name: (source, alias.name) for alias in node.names})
        elif isinstance(node, ast.If | ast.Try):
            _collect([*node.body, *node.orelse], module, package)
