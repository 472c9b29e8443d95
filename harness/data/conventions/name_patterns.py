"""Extract plate, well and site from longer texts, such as names of image files, by regular expressions."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from harness.core.exceptions import InputError
from harness.utils.text import as_text, preview

NAMES = ("plate", "well", "site")
SUFFIX = "_regex"
MAPPED = (
    "plate", "well", "batch", "compound", "site", "dose", "cell_count", "plate_regex", "well_regex", "site_regex",
)  # fmt: skip
SECONDS = 10.0  # for all values of a column; an expression that needs longer backtracks without end
# Runs on its own because nothing can stop an expression that is being matched from within its process.
_SEARCH = """
import json, re, sys
pattern, values = json.load(sys.stdin)
matches = (re.search(pattern, value) for value in values)
json.dump([match and match[1] for match in matches], sys.stdout)
"""


@dataclass(frozen=True)
class NamePatterns:
    """Settings ``columns.<name>_regex``: the group of the expression extracts a name from ``columns.<name>``.

    ``columns`` maps standard names to columns, including those that the expressions make; ``patterns`` maps a standard
    name to the column that is searched and the expression.
    """

    columns: Mapping[str, str]
    patterns: Mapping[str, tuple[str, str]]

    @classmethod
    def parse(cls, columns: Mapping[str, str | None]) -> NamePatterns:
        """Take the settings ``<name>_regex`` out of ``columns``.

        Raises
        ------
        InputError : an expression for another name, without a column to search, that is none, or without exactly one
            group in parentheses.
        """
        mapped = {name: column for name, column in columns.items() if column is not None}
        patterns = {}
        for option in [name for name in mapped if name.endswith(SUFFIX)]:
            name, written = option.removesuffix(SUFFIX), mapped.pop(option)
            if name not in NAMES:
                raise InputError(f"columns.{option}: expected one of {[f'{part}{SUFFIX}' for part in NAMES]}")
            if name not in mapped:
                raise InputError(f"columns.{option}: set columns.{name} to the column that the expression searches")
            patterns[name] = (mapped[name], _checked(written, option))
        derived = {name: f"{name} in {column}" for name, (column, _) in patterns.items()}
        return cls({**mapped, **derived}, patterns)

    @property
    def searched(self) -> list[str]:
        """Columns that the expressions search."""
        return [column for column, _ in self.patterns.values()]

    def apply(self, df: pd.DataFrame, *, source: str) -> pd.DataFrame:
        """Return ``df`` with one more column for each expression.

        Raises
        ------
        InputError : no such column; rows without a match; an expression that needs longer than :data:`SECONDS`.
        """
        for name, (column, pattern) in self.patterns.items():
            if column not in df.columns:
                raise InputError(f"{source}: no column {column!r} for columns.{name}{SUFFIX}; found {preview(df, 20)}")
            text = as_text(df[column])
            values = list(text.unique())
            parts = dict(zip(values, _search(pattern, values, f"{source}: columns.{name}{SUFFIX}"), strict=True))
            part = text.map(parts)
            rows = (part.isna() | (part == "")).to_numpy()
            if rows.any():
                first, n_named = int(rows.argmax()), int((~rows).sum())
                raise InputError(
                    f"{source}: columns.{name}{SUFFIX}={pattern!r} finds a {name} in {n_named} of {len(df)} "
                    f"rows of column {column!r}; row {first + 1} holds {text.iloc[first]!r}: correct the expression"
                )
            df = df.assign(**{self.columns[name]: part})
        return df


def _checked(written: Any, option: str) -> str:
    if not isinstance(written, str):
        raise InputError(
            f"columns.{option}: got {written!r}; expected a regular expression, e.g. '_([A-P][0-9]{{2}})_'"
        )
    try:
        n_groups = re.compile(written).groups
    except (re.error, OverflowError, RecursionError) as error:
        raise InputError(f"columns.{option}: {written!r} is not a regular expression: {error}") from error
    if n_groups != 1:
        raise InputError(
            f"columns.{option}: {written!r} has {n_groups} groups in parentheses; expected one, around the "
            f"{option.removesuffix(SUFFIX)}, e.g. '_([A-P][0-9]{{2}})_' (others begin with '(?:')"
        )
    return written


def _search(pattern: str, values: Sequence[str], what: str) -> list[str | None]:
    """Return what the group of ``pattern`` matches in each value, None if nothing."""
    command = [sys.executable, "-I", "-S", "-c", _SEARCH]
    try:
        done = subprocess.run(
            command,
            input=json.dumps([pattern, list(values)]),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=True,
        )
    except subprocess.TimeoutExpired:
        raise InputError(
            f"{what}={pattern!r} was not done with {len(values)} values within {SECONDS:g} s; write it without "
            "repetitions in repetitions, such as (a+)+"
        ) from None
    parts: list[str | None] = json.loads(done.stdout)
    return parts
