"""A pandas query that can compare columns and nothing else.

``DataFrame.eval`` reaches Python: methods that write files, attributes, local variables. So a query is parsed
first, and only comparisons, arithmetic, and the harmless methods named here are let through.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import pandas as pd

from harness.data.text import some
from harness.types import InputError, Mask

_METHODS = frozenset({"isna", "isnull", "notna", "notnull", "isin", "between"})
_TEXT_TESTS = frozenset({"startswith", "endswith", "contains", "match", "fullmatch"})
_TEXT_METHODS = _TEXT_TESTS | {"lower", "upper", "strip"}
_NODES = (
    ast.Expression, ast.BoolOp, ast.boolop, ast.UnaryOp, ast.Not, ast.Invert, ast.USub, ast.BinOp, ast.BitAnd,
    ast.BitOr, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Compare, ast.cmpop, ast.Name, ast.Load, ast.Constant,
    ast.List, ast.Tuple, ast.keyword,
)  # fmt: skip
_QUOTED = re.compile(r"""('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|`([^`]*)`""")


@dataclass(frozen=True)
class Query:
    """A checked query: ``written`` as the user wrote it, ``names`` from its identifiers to column names."""

    written: str
    evaluated: str
    names: Mapping[str, str]

    @classmethod
    def parse(cls, written: str, *, option: str) -> Query:
        """Check ``written``; names with blanks stand in backticks.

        Raises
        ------
        InputError : not an expression, or more than comparisons and the methods listed in this module.
        """
        quoted: dict[str, str] = {}

        def identifier(match: re.Match[str]) -> str:
            if match[2] is None:
                return match[0]
            name = f"_quoted_{len(quoted)}"
            quoted[name] = match[2]
            return name

        evaluated = re.sub(r"[\r\n]+", " ", _QUOTED.sub(identifier, written)).strip()
        try:
            tree = ast.parse(evaluated, mode="eval")
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise InputError(
                f"{option}: cannot read the query {written!r} ({error}); e.g. compound == 'DMSO'"
            ) from error
        _check(tree, written, option)
        names = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]
        return cls(written, _missing_is_false(evaluated, tree), {name: quoted.get(name, name) for name in names})

    def mask(self, columns: Mapping[str, pd.Series[Any]], *, option: str) -> Mask:
        """Rows (n,) for which the query holds; a missing answer is False.

        Raises
        ------
        InputError : an unknown column, or an answer that is not true or false per row.
        """
        unknown = [name for name in self.names.values() if name not in columns]
        if unknown:
            raise InputError(f"{option}: query {self.written!r} needs a column {unknown[0]!r}; found {some(columns)}")
        frame = pd.DataFrame({name: columns[column] for name, column in self.names.items()})
        try:
            answer = frame.eval(self.evaluated, engine="python")
        except Exception as error:
            raise InputError(f"{option}: query {self.written!r} failed: {type(error).__name__}: {error}") from error
        if not isinstance(answer, pd.Series) or not answer.dropna().isin([True, False]).all():
            raise InputError(f"{option}: query {self.written!r} gives no true or false per row; compare a column")
        return cast(Mask, answer.isin([True]).to_numpy(dtype=bool))


def _missing_is_false(evaluated: str, tree: ast.Expression) -> str:
    """``evaluated`` with ``na=False`` in every test of text: pandas takes ``missing | True`` for False otherwise."""
    text = evaluated.encode()
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    tests = [node for node in calls if cast(ast.Attribute, node.func).attr in _TEXT_TESTS]
    for node in sorted(tests, key=lambda node: node.end_col_offset or 0, reverse=True):
        if all(keyword.arg != "na" for keyword in node.keywords):
            end = cast(int, node.end_col_offset) - 1
            text = text[:end] + b", na=False" + text[end:]
    return text.decode()


def _check(tree: ast.Expression, written: str, option: str) -> None:
    allowed = f"comparisons, and, or, not, in, {', '.join(sorted(_METHODS))} and .str.{'/'.join(sorted(_TEXT_METHODS))}"
    called: set[ast.AST] = set()
    for node in ast.walk(tree):  # from the outside in: a call is met before its attribute
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            called.add(node.func)
            if node.func.attr in _METHODS:
                continue
            owner = node.func.value
            if node.func.attr in _TEXT_METHODS and isinstance(owner, ast.Attribute) and owner.attr == "str":
                called.add(owner)
                continue
        elif isinstance(node, _NODES) or node in called:
            continue
        raise InputError(f"{option}: the query {written!r} may hold only {allowed}; found {ast.unparse(node)!r}")
