"""Dialect of a text table: its column separator and its decimal sign."""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from pandas.api.types import is_float_dtype, is_numeric_dtype

from harness.core.exceptions import InputError

SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}
DECIMALS = {"point": ".", "comma": ","}
AUTO_WORD = "auto"
SEPARATOR_WORDS = ("auto", "comma", "semicolon", "tab", "bar", ",", ";", "\t", "|")
DECIMAL_WORDS = ("auto", "point", "comma", ".", ",")
_PLURALS = {"\t": "tabs"}
_NO_FEATURES = ("Metadata_", "Image_Metadata_")  # text such as 101,102 (two sites) may stay text in such columns
_WITH_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
_WITH_POINT = re.compile(r"[+-]?\d*\.\d+([eE][+-]?\d+)?")
_WHOLE = re.compile(r"[+-]?\d+")
_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")
_CERTAINLY_GROUPED = re.compile(
    r"[+-]?[1-9]\d{0,2}(?:(?:,\d{3}){2,}|(?:\.\d{3}){2,}|(?:,\d{3})+\.\d+|(?:\.\d{3})+,\d+)"
)


@dataclass(frozen=True)
class Dialect:
    """Separator and decimal sign of a text table by the settings; None is inferred from the file.

    ``setting``: prefix of ``separator`` and ``decimal`` in the name of the setting; empty if there is no such setting.
    """

    separator: str | None = None
    decimal: str | None = None
    setting: str = ""

    @classmethod
    def parse(cls, separator: Any, decimal: Any, *, setting: str) -> Dialect:
        """Accept ``auto`` or None, a word of :data:`SEPARATORS` and :data:`DECIMALS`, or the character itself."""
        return cls(
            _character(separator, SEPARATORS, f"{setting}separator"),
            _character(decimal, DECIMALS, f"{setting}decimal"),
            setting,
        )

    def remedy(self, *words: str) -> str:
        """Return the setting that resolves the decimal sign, for an error message."""
        if not self.setting:
            return "save the table again with decimal points and without separators of thousands"
        return "say which by " + " or ".join(f"{self.setting}decimal={word}" for word in words)


AUTO = Dialect()


def _character(value: Any, words: dict[str, str], setting: str) -> str | None:
    if value is None or value == AUTO_WORD:
        return None
    if value in words.values():
        return str(value)
    if value not in words:
        raise InputError(f"{setting}: got {value!r}; expected one of {[AUTO_WORD, *words]}")
    return words[value]


def sniff_separator(lines: Sequence[str], *, usual: str) -> str:
    """Return the separator that gives the header and every line the same number of fields, the most of them.

    ``usual``: the one that the file's name promises, if no separator or several do so.
    """
    counts = {}
    for separator in dict.fromkeys([usual, *SEPARATORS.values()]):
        rows = split_rows(lines, separator)
        if rows and len(rows[0]) > 1 and all(len(row) == len(rows[0]) for row in rows):
            counts[separator] = len(rows[0])
    if counts:
        return max(counts, key=lambda separator: counts[separator])
    headers = {separator: split_rows(lines[:1], separator) for separator in [usual, *SEPARATORS.values()]}
    widths = {separator: len(rows[0]) if rows else 0 for separator, rows in headers.items()}
    return usual if widths[usual] > 1 else max(widths, key=lambda separator: widths[separator])


def split_rows(lines: Sequence[str], separator: str) -> list[list[str]]:
    """Return the fields of each line that is not blank; nothing if the lines are no such table."""
    try:
        return [row for row in csv.reader(lines, delimiter=separator) if row]
    except csv.Error:
        return []


def may_hold_commas(lines: Sequence[str], separator: str) -> bool:
    """Return whether ``lines`` may hold a number with a comma."""
    return any('"' in line if separator == "," else re.search(r"\d,\d|;,\d", line) for line in lines)


def find_decimal(table: pd.DataFrame, *, ids: Collection[str], read_with: str, dialect: Dialect, source: str) -> str:
    """Return the decimal sign of ``table``, which was read with ``read_with``; columns ``ids`` do not count.

    Raises
    ------
    InputError : ``1,234`` may be a thousand or a bit more than one, or both signs are in use.
    """
    with_comma, with_point, grouped = None, None, None
    fractions = _has_fractions(table, ids)
    for name, values in _texts(table, ids):
        example = f"column {name!r} holds {{!r}}"
        if certain := next((v for v in values if _CERTAINLY_GROUPED.fullmatch(v)), None):
            grouped = grouped or (example.format(certain), certain)
        elif commas := [v for v in values if "," in v]:
            odd = next((v for v in commas if not _GROUPED.fullmatch(v)), None)
            if odd is None and read_with == "." and fractions and name.startswith(_NO_FEATURES):
                continue
            if odd is None:
                grouped = grouped or (example.format(commas[0]), commas[0])
            else:
                with_comma = with_comma or example.format(odd)
        else:
            with_point = with_point or example.format(next(v for v in values if "." in v))
    points = with_point is not None or (read_with == "." and fractions)
    commas_elsewhere = with_comma is not None or (read_with == "," and fractions)
    if with_point and commas_elsewhere:
        raise InputError(
            f"{source}: {with_point}, other numbers have a decimal comma; {dialect.remedy('comma', 'point')}"
        )
    if grouped and (points or not commas_elsewhere or _CERTAINLY_GROUPED.fullmatch(grouped[1])):
        raise InputError(
            f"{source}: {grouped[0]}, which may be read in two ways (thousands or decimals); "
            f"{dialect.remedy('comma', 'point')}: the other sign then separates thousands"
        )
    return "," if commas_elsewhere and not points else "."


def read_thousands(table: pd.DataFrame, *, ids: Collection[str], decimal: str) -> pd.DataFrame:
    """Convert columns of text whose values all are numbers with this ``decimal`` and separators of thousands."""
    thousands = "," if decimal == "." else "."
    mark, group = re.escape(decimal), re.escape(thousands)
    number = re.compile(rf"[+-]?(\d+|[1-9]\d{{0,2}}({group}\d{{3}})+)?({mark}\d+)?([eE][+-]?\d+)?")
    changed = {}
    for name, values in _texts(table, ids):
        if all(number.fullmatch(value) for value in values):
            text = table[name].astype(object).str.strip().str.replace(thousands, "").str.replace(decimal, ".")
            changed[name] = pd.to_numeric(text, errors="coerce")
    return table.assign(**changed) if changed else table


def describe(separator: str, decimal: str, encoding: str, *, usual: str) -> str:
    """Describe what is unusual about a file, e.g. ``columns separated by ';', decimal commas``."""
    parts = [
        *([f"columns separated by {_PLURALS.get(separator, repr(separator))}"] if separator != usual else []),
        *(["decimal commas"] if decimal == "," else []),
        *(["UTF-16"] if encoding == "utf-16" else []),
    ]
    return ", ".join(parts)


def _texts(table: pd.DataFrame, ids: Collection[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield the different values of each column of text that are all numbers of some kind, one with a sign at least."""
    for name in table.columns:
        if name in ids or is_numeric_dtype(table[name].dtype):
            continue
        values = [str(value).strip() for value in table[name].dropna().unique()]
        if values and all(_is_number(value) for value in values) and any("," in v or "." in v for v in values):
            yield str(name), values


def _is_number(value: str) -> bool:
    return any(p.fullmatch(value) for p in (_WHOLE, _WITH_COMMA, _WITH_POINT, _CERTAINLY_GROUPED))


def _has_fractions(table: pd.DataFrame, ids: Collection[str]) -> bool:
    """Return whether a number of the table has decimals."""
    names = [name for name in table.columns if name not in ids and is_float_dtype(table[name].dtype)]
    return any(bool((table[name].dropna() % 1 != 0).any()) for name in names)
