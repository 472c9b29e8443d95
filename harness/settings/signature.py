"""Settings of a member: the parameters of its constructor, as its source declares them."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from harness.settings.annotation import kind_of
from harness.settings.composite_kinds import Field, Fields
from harness.settings.kinds import Kind
from harness.settings.source import Definition, Module, constant, locate, lookup
from harness.settings.third_party import THIRD_PARTY

_ROOTS = ("object", "Protocol", "ABC", "Generic", "Exception")


@cache
def fields_of(target: str) -> Fields | None:
    """Return the settings of the class or function ``target``, a dotted name; None if its source cannot be read."""
    if target in THIRD_PARTY:
        return THIRD_PARTY[target]
    definition = locate(target)
    if definition is None:
        return None
    if isinstance(definition.node, ast.FunctionDef):
        return _parameters(definition.node, definition.module, skip=0)
    return _constructor(definition) if isinstance(definition.node, ast.ClassDef) else None


def fields_of_callable(call: Callable[..., Any]) -> Fields | None:
    """Return the names of the settings of an imported class or function; kinds are unknown."""
    try:
        parameters = inspect.signature(call).parameters.values()
    except (TypeError, ValueError):
        return None
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    extra = Kind() if any(p.kind is p.VAR_KEYWORD for p in parameters) else None
    return Fields({p.name: Field(Kind(), p.default is p.empty, p.default) for p in named}, extra)


def _constructor(definition: Definition) -> Fields | None:
    """Return the parameters of ``__init__``, of the first base that has one, or the fields of a dataclass."""
    node, module = definition.node, definition.module
    assert isinstance(node, ast.ClassDef)
    for part in node.body:
        if isinstance(part, ast.FunctionDef) and part.name == "__init__":
            return _parameters(part, module, skip=1)
    if any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list):
        return Fields(dict(_dataclass_fields(definition)))
    for base in node.bases:
        name = base.value if isinstance(base, ast.Subscript) else base
        if isinstance(name, ast.Name) and name.id in _ROOTS:
            continue
        inherited = lookup(module, name.id) if isinstance(name, ast.Name) else None
        if inherited is None or not isinstance(inherited.node, ast.ClassDef):
            return None
        fields = _constructor(inherited)
        if fields is None or fields.fields or fields.extra is not None:
            return fields
    return Fields()


def _dataclass_fields(definition: Definition) -> Iterator[tuple[str, Field]]:
    node, module = definition.node, definition.module
    assert isinstance(node, ast.ClassDef)
    for base in node.bases:
        inherited = lookup(module, base.id) if isinstance(base, ast.Name) else None
        if inherited is not None and isinstance(inherited.node, ast.ClassDef):
            yield from _dataclass_fields(inherited)
    for part in node.body:
        if not (isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name)):
            continue
        if not ast.unparse(part.annotation).startswith("ClassVar"):
            yield part.target.id, _field(part.annotation, part.value, module)


def _parameters(function: ast.FunctionDef, module: Module, *, skip: int) -> Fields:
    """Return the parameters after the first ``skip``."""
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults)) + [*arguments.defaults]
    pairs = [*zip(positional[skip:], defaults[skip:], strict=True)]
    pairs += zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    fields = {name.arg: _field(name.annotation, default, module) for name, default in pairs}
    extra = None if arguments.kwarg is None else kind_of(arguments.kwarg.annotation, module)
    return Fields(fields, extra)


def _field(annotation: ast.expr | None, default: ast.expr | None, module: Module) -> Field:
    kind = kind_of(annotation, module)
    if default is None:
        return Field(kind, required=True)
    try:
        return Field(kind, default=constant(module, default))
    except ValueError:
        return Field(kind, default=ast.unparse(default))
