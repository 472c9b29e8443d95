"""Restricted pandas queries, which compare columns and can do nothing else.

``DataFrame.eval`` reaches Python: methods that write files, attributes, local variables. So a query is parsed
first, and only comparisons, arithmetic, and the harmless methods named here are accepted. Tests of text and of
missing values are computed here (:mod:`harness.data.columns.safe_query_tests`): an empty text is missing, and
patterns take time in proportion to the text.
"""

from __future__ import annotations

import ast
import re
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, cast

import pandas as pd
from pandas.api.types import infer_dtype, is_numeric_dtype

from harness.core.arrays import Mask
from harness.core.exceptions import InputError
from harness.data.columns.safe_query_tests import MISSING_TESTS, TEXT_TESTS, answer
from harness.utils.text import as_key, preview

_METHODS = MISSING_TESTS | {"isin", "between"}
_TEXT_METHODS = TEXT_TESTS | {"lower", "upper", "strip"}
_NODES = (
    ast.Expression, ast.BoolOp, ast.boolop, ast.UnaryOp, ast.Not, ast.Invert, ast.USub, ast.BinOp, ast.BitAnd,
    ast.BitOr, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Compare, ast.cmpop, ast.Name, ast.Load, ast.Constant,
    ast.List, ast.Tuple, ast.keyword,
)  # fmt: skip
_SIGNS: dict[type, str] = {
    ast.Pow: "**",
    ast.Mod: "%",
    ast.FloorDiv: "//",
    ast.MatMult: "@",
    ast.LShift: "<<",
    ast.RShift: ">>",
}
_QUOTED = re.compile(r"""('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|`([^`]*)`""")
_LONGEST = 20_000  # characters
_IN_MESSAGES = 200  # characters of a query in a message


@dataclass(frozen=True)
class Query:
    """Checked query: ``written`` as the user wrote it, ``names`` from its identifiers to column names."""

    written: str
    evaluated: str
    names: Mapping[str, str]

    @classmethod
    def parse(cls, written: str, *, option: str) -> Query:
        """Parse and check ``written``; names with blanks are in backticks.

        Raises
        ------
        InputError : not an expression, or more than comparisons and the methods listed in this module.
        """
        if len(written) > _LONGEST:
            raise InputError(
                f"{option}: the query has {len(written):,} characters, at most {_LONGEST:,} are read: "
                f"{shortened(written)!r}; use controls.column and controls.values, or a column that holds the answer"
            )
        quoted: dict[str, str] = {}

        def identifier(match: re.Match[str]) -> str:
            if match[2] is None:
                return unicodedata.normalize("NFC", match[0])
            name = f"_quoted_{len(quoted)}"
            quoted[name] = match[2]
            return name

        evaluated = re.sub(r"[\r\n]+", " ", _QUOTED.sub(identifier, written)).strip()
        try:
            tree = ast.parse(evaluated, mode="eval")
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise InputError(
                f"{option}: cannot read the query {shortened(written)!r} ({error}); e.g. compound == 'DMSO'"
            ) from error
        _check(tree, written, option)
        _check_arithmetic(tree, (), written, option)
        names = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]
        return cls(written, evaluated, {name: quoted.get(name, name) for name in names})

    def mask(self, columns: Mapping[str, pd.Series[Any]], *, option: str) -> Mask:
        """Return the rows (n,) for which the query holds; a missing answer is False, a missing text is an empty one.

        Raises
        ------
        InputError : an unknown column, or an answer that is not true or false per row.
        """
        unknown = [name for name in self.names.values() if name not in columns]
        if unknown:
            raise InputError(
                f"{option}: query {shortened(self.written)!r} needs a column {unknown[0]!r}; found {preview(columns)}"
            )
        frame = pd.DataFrame({name: _searchable(columns[column]) for name, column in self.names.items()})
        texts = [str(name) for name in frame if not is_numeric_dtype(frame[name].dtype)]
        _check_arithmetic(ast.parse(self.evaluated, mode="eval"), texts, self.written, option)
        try:
            result = _evaluate(self.evaluated, frame)
        except InputError as error:
            raise InputError(f"{option}: query {shortened(self.written)!r}: {error}") from error
        except Exception as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise InputError(
                f"{option}: query {shortened(self.written)!r} failed: {shortened(reason)}; compare texts with texts "
                "and numbers with numbers"
            ) from error
        if not isinstance(result, pd.Series) or not result.dropna().isin([True, False]).all():
            raise InputError(
                f"{option}: query {shortened(self.written)!r} gives no true or false per row; compare a column"
            )
        return cast(Mask, result.isin([True]).to_numpy(dtype=bool))


def shortened(text: str) -> str:
    """Return the beginning of a text for a message."""
    return text if len(text) <= _IN_MESSAGES else f"{text[:_IN_MESSAGES]}..."


def _searchable(column: pd.Series[Any]) -> pd.Series[Any]:
    """Strip a column of text, ``""`` for missing values; return any other column as it is."""
    values = column.cat.categories if isinstance(column.dtype, pd.CategoricalDtype) else column
    return as_key(column) if infer_dtype(values, skipna=True) in ("string", "empty") else column


def _evaluate(text: str, frame: pd.DataFrame) -> Any:
    """Evaluate the query ``text``, beginning with the innermost tests of text and of missing values."""
    while True:
        calls = [
            (node, node.func)
            for node in ast.walk(ast.parse(text, mode="eval"))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        ]
        tests = [(node, method) for node, method in calls if method.attr in MISSING_TESTS | TEXT_TESTS]
        if not tests:
            return frame.eval(text, engine="python")
        node, method = min(tests, key=lambda test: (test[0].end_col_offset or 0) - test[0].col_offset)
        owner = method.value
        if method.attr in TEXT_TESTS:
            owner = cast(ast.Attribute, owner).value
        source = text.encode()
        values = frame.eval(_segment(source, owner), engine="python")
        name = f"_answer_{len(frame.columns)}"
        frame = frame.assign(**{name: answer(values, method.attr, node, index=frame.index)})
        text = (source[: node.col_offset] + name.encode() + source[node.end_col_offset :]).decode()


def _segment(source: bytes, node: ast.expr) -> str:
    return source[node.col_offset : node.end_col_offset].decode()


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
        raise InputError(
            f"{option}: the query {shortened(written)!r} may hold only {allowed}; "
            f"found {_SIGNS.get(type(node)) or shortened(ast.unparse(node))!r}"
        )


def _check_arithmetic(tree: ast.Expression, texts: Collection[str], written: str, option: str) -> None:
    """Refuse to multiply texts and lists, which would repeat them, or to divide them."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.BinOp) or isinstance(node.op, ast.Add | ast.BitAnd | ast.BitOr):
            continue
        for side in (node.left, node.right):
            if _is_text(side, texts):
                raise InputError(
                    f"{option}: the query {shortened(written)!r} calculates with {shortened(ast.unparse(side))!r}, "
                    "which is text or a list; expected a number"
                )


def _is_text(node: ast.expr, texts: Collection[str]) -> bool:
    """Return whether the expression may be text or a list; ``texts``: the names of columns that are."""
    if isinstance(node, ast.Name):
        return node.id in texts
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str | bytes)
    if isinstance(node, ast.List | ast.Tuple):
        return True
    if isinstance(node, ast.BinOp):
        return _is_text(node.left, texts) or _is_text(node.right, texts)
    if isinstance(node, ast.UnaryOp):
        return _is_text(node.operand, texts)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr in _TEXT_METHODS - TEXT_TESTS
    return False
