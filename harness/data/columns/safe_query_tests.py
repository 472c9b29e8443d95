"""Tests within a query that pandas would answer differently, or in unbounded time.

Regular expressions are matched by RE2 (https://github.com/google/re2/wiki/Syntax), which Arrow brings along: its time
is linear in the text, whatever the expression. Python's ``re`` takes exponential time for some, e.g. ``(a+)+$``.
"""

from __future__ import annotations

import ast
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from harness.core.exceptions import InputError

MISSING_TESTS = frozenset({"isna", "isnull", "notna", "notnull"})
TEXT_TESTS = frozenset({"startswith", "endswith", "contains", "match", "fullmatch"})
_OPTIONS = ("case", "na", "regex")
_LITERAL = "(?:{})"
_WRAPPED = {"contains": _LITERAL, "match": r"\A" + _LITERAL, "fullmatch": r"\A" + _LITERAL + r"\z"}


def answer(values: Any, method: str, call: ast.Call, *, index: pd.Index[Any]) -> pd.Series[bool]:
    """Answer ``values.method(...)`` for each row, (n,); a missing value, and an empty text, count as missing.

    Raises
    ------
    InputError : values that are no column, or arguments that the method does not accept here.
    """
    if not isinstance(values, pd.Series):
        raise InputError(f".{method} stands after something that is no column; write COLUMN.{method}")
    if method in MISSING_TESTS:
        if call.args or call.keywords:
            raise InputError(f".{method}() takes nothing in the brackets")
        missing = values.isna() | (values.astype(object) == "")
        return missing if method in ("isna", "isnull") else ~missing
    texts = values.astype(object)
    texts = texts.where(texts.map(lambda value: isinstance(value, str)), "")
    codes, different = pd.factorize(texts)
    answers = _text_test([str(text) for text in different], method, call)
    return pd.Series(answers[codes], index=index)


def _text_test(texts: list[str], method: str, call: ast.Call) -> np.ndarray[Any, np.dtype[np.bool_]]:
    try:
        arguments = [ast.literal_eval(argument) for argument in call.args]
        options = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
    except ValueError:
        arguments, options = [], {}
    arguments += [options.pop("pat")] if "pat" in options else []
    unknown = [name for name in options if name not in _OPTIONS]
    parts = arguments[0] if len(arguments) == 1 else None
    parts = list(parts) if isinstance(parts, tuple | list) and method in ("startswith", "endswith") else [parts]
    if unknown or not parts or not all(isinstance(part, str) for part in parts):
        raise InputError(f".str.{method} takes one text in quotes and, if wanted, {', '.join(_OPTIONS)}")
    if method in ("startswith", "endswith"):
        return np.array([getattr(text, method)(tuple(parts)) for text in texts], dtype=bool)
    return _matches(
        texts, parts[0], method, ignore_case=options.get("case") is False, literal=options.get("regex") is False
    )


def _matches(
    texts: list[str], pattern: str, method: str, *, ignore_case: bool, literal: bool
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    column = pa.array(texts, pa.large_string())
    try:
        if literal:
            result = pc.match_substring(column, pattern, ignore_case=ignore_case)
        else:
            result = pc.match_substring_regex(column, _WRAPPED[method].format(pattern), ignore_case=ignore_case)
    except pa.ArrowInvalid as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"the pattern {pattern[:100]!r} cannot be read ({reason[:200]}); references back and looking ahead or "
            "behind are not available, see https://github.com/google/re2/wiki/Syntax"
        ) from error
    return np.asarray(result.to_numpy(zero_copy_only=False), dtype=bool)
