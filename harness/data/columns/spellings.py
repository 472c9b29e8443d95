"""Find different spellings of one name, such as ``dmso``, ``DMSO`` and ``D.M.S.O.``."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import pandas as pd

from harness.data.columns.well_roles import OPTIONS, Rules
from harness.store.reading_report import ReadingReport
from harness.utils.text import MISSING_WORDS, as_text

_PUNCTUATION = re.compile(r"(?<!\d)[\W_]+|[\W_]+(?!\d)")  # between two digits it is part of a number: 1.0 is not 10
_SYNONYMS = {"dimethylsulfoxide": "dmso", "dimethylsulphoxide": "dmso"}
_MISSING_WORDS = {word.casefold() for word in MISSING_WORDS}


def fold(name: str) -> str:
    """Reduce a name to what all its spellings share; ``""`` if it has fewer than two letters."""
    text = _PUNCTUATION.sub("", unicodedata.normalize("NFKC", name).casefold())
    return _SYNONYMS.get(text, text) if sum(letter.isalpha() for letter in text) > 1 else ""


def other_spellings(
    names: pd.Series[Any], selected: pd.Series[bool], others: pd.Series[bool]
) -> Iterator[tuple[dict[str, int], dict[str, int]]]:
    """Yield, for each name of the rows ``selected`` that rows of ``others`` spell in another way, both with counts."""
    texts = as_text(names)
    inside, outside = (texts[rows].value_counts() for rows in (selected, others))
    by_fold: dict[str, dict[str, int]] = {}
    for name, count in inside.items():
        by_fold.setdefault(fold(str(name)), {})[str(name)] = int(count)
    spellings: dict[str, dict[str, int]] = {}
    for name, count in outside.items():
        if name not in inside.index and (folded := fold(str(name))) and folded in by_fold:
            spellings.setdefault(folded, {})[str(name)] = int(count)
    for folded, names_outside in spellings.items():
        yield by_fold[folded], names_outside


def spelling_warnings(
    columns: Mapping[str, pd.Series[Any]], role: pd.Series[Any], *, of: str, option: str
) -> Iterator[str]:
    """Yield a line for each name in ``columns`` of rows of the role ``of`` that treated rows spell differently."""
    seen: list[tuple[Collection[str], Collection[str]]] = []
    for column, names in columns.items():
        for inside, outside in other_spellings(names, role == of, role == "treated"):
            if (inside.keys(), outside.keys()) in seen:
                continue
            seen.append((inside.keys(), outside.keys()))
            yield (
                f"column {column!r}: {_counted(outside)} {'counts' if len(outside) == 1 else 'count'} as treated, "
                f"{_counted(inside)} as {of}: are these spellings of one name? Add them to {option}, or correct the "
                "table"
            )


def missing_words(names: pd.Series[Any]) -> dict[str, int]:
    """Return the names, with the rows that hold them, that look like a missing value: ``NA``, ``None``, ``null``."""
    counts = as_text(names).value_counts()
    return {str(name): int(count) for name, count in counts.items() if name and str(name).casefold() in _MISSING_WORDS}


def _counted(names: Mapping[str, int]) -> str:
    return " and ".join(f"{name!r} ({count:,} rows)" for name, count in names.items())


def report_names(
    columns: Mapping[str, pd.Series[Any]],
    compound: str | None,
    role: pd.Series[Any],
    rules: Rules,
    report: ReadingReport,
) -> None:
    """Report names of controls with several spellings, and compounds that are called like a missing value.

    ``compound``: the column of compounds, if there is one. ``rules``: by option; names of empty wells do not count.
    """
    for option, rule in rules.items():
        if option != "empty":
            read = dict.fromkeys([compound, *rule.columns])
            names = {column: columns[column] for column in read if column is not None and column in columns}
            for line in spelling_warnings(names, role, of=OPTIONS[option], option=rule.option):
                report.warn(line)
    if compound is not None and compound in columns and (words := missing_words(columns[compound])):
        counted = ", ".join(f"{word!r} ({count:,} rows)" for word, count in words.items())
        report.note(f"compounds called {counted} are names like any other: only an empty cell is no compound")
