"""Translate an annotation, as it stands in the source, into the kind of value that it describes."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace

from harness.settings.composite_kinds import AnyOf, Field, Fields, ListOf, MappingOf, Node
from harness.settings.kinds import Boolean, Integer, Kind, Null, Number, Text
from harness.settings.limits import LIMITS, Limit, OneOf
from harness.settings.source import Module, constant, lookup

_PLAIN: dict[str, Callable[[], Kind]] = {
    "bool": Boolean, "int": Integer, "float": Number, "str": Text, "Node": Node, "list": ListOf, "Sequence": ListOf,
    "dict": MappingOf, "Mapping": MappingOf, "Any": Kind, "object": Kind,
}  # fmt: skip
_LISTS = ("list", "tuple", "Sequence", "Iterable", "Collection")
_MAPPINGS = ("dict", "Mapping")
_LIMITED = (Integer, Number, Text, ListOf, MappingOf)


def kind_of(annotation: ast.expr | None, module: Module) -> Kind:
    """Return the kind that ``annotation`` describes in ``module``; any value is right if it is not understood."""
    if annotation is None:
        return Kind()
    if isinstance(annotation, ast.Constant):
        if annotation.value is None:
            return Null()
        return kind_of(ast.parse(str(annotation.value), mode="eval").body, module)
    if isinstance(annotation, ast.BinOp):
        return _either([kind_of(side, module) for side in (annotation.left, annotation.right)])
    if isinstance(annotation, ast.Subscript):
        return _subscripted(annotation, module)
    if isinstance(annotation, ast.Name):
        return _named(annotation.id, module)
    return Kind()


def _named(name: str, module: Module) -> Kind:
    if name in _PLAIN:
        return _PLAIN[name]()
    definition = lookup(module, name)
    if definition is None:
        return Kind()
    if isinstance(definition.node, ast.ClassDef):
        return Node()
    return kind_of(definition.node, definition.module) if isinstance(definition.node, ast.expr) else Kind()


def _subscripted(node: ast.Subscript, module: Module) -> Kind:
    name = node.value.id if isinstance(node.value, ast.Name) else ""
    parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    if name == "Annotated":
        kind = kind_of(parts[0], module)
        shape = _shape(parts[1], module)
        limits = tuple(limit for part in parts[1:] if (limit := _limit(part, module)) is not None)
        return shape or (replace(kind, limits=limits) if isinstance(kind, _LIMITED) else kind)
    if name == "Literal":
        return Text((OneOf(*(constant(module, part) for part in parts)),))
    if name in ("Optional", "Union"):
        options = [kind_of(part, module) for part in parts]
        return _either([*options, *([Null()] if name == "Optional" else [])])
    if name in _LISTS:
        return ListOf(kind_of(parts[0], module))
    if name in _MAPPINGS:
        return MappingOf(kind_of(parts[-1], module))
    return Kind()


def _shape(node: ast.expr, module: Module) -> Fields | None:
    """Return the keys and kinds of a TypedDict; None for anything else."""
    definition = lookup(module, node.id) if isinstance(node, ast.Name) else None
    if definition is None or not isinstance(definition.node, ast.ClassDef):
        return None
    total = not any(keyword.arg == "total" for keyword in definition.node.keywords)
    fields = {}
    for part in definition.node.body:
        if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name):
            annotation, optional = part.annotation, ast.unparse(part.annotation).startswith("NotRequired[")
            if optional and isinstance(annotation, ast.Subscript):
                annotation = annotation.slice
            fields[part.target.id] = Field(kind_of(annotation, definition.module), required=total and not optional)
    return Fields(fields)


def _limit(node: ast.expr, module: Module) -> Limit | None:
    """Return the limit of ``Annotated[..., AtLeast(2)]`` and the like; None for any other expression."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in LIMITS):
        return None
    arguments = constant(module, ast.Tuple(node.args, ast.Load()))
    return LIMITS[node.func.id](*arguments)


def _either(options: list[Kind]) -> Kind:
    flat = [part for option in options for part in (option.options if isinstance(option, AnyOf) else [option])]
    return Kind() if any(type(option) is Kind for option in flat) else AnyOf(tuple(flat))
