"""Read CSV and TSV files in the dialects that spreadsheets of all countries write."""

from __future__ import annotations

import csv
import gzip
import re
import warnings
from collections.abc import Collection, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd

from harness.core.exceptions import InputError
from harness.data.files.dialect import (
    Dialect,
    describe,
    find_decimal,
    may_hold_commas,
    read_thousands,
    sniff_separator,
)
from harness.store.reading_report import ReadingReport
from harness.store.validate import check_unique
from harness.utils.text import MISSING_WORDS

_SAMPLE = 60  # lines
_HEAD = 200  # rows
_HINT = re.compile(r'"?sep=(.)"?\s*')  # a first line that Excel writes and reads
_LEADING_ZERO = re.compile(r"[+-]?0\d.*")
_EXACT_DIGITS = 15


def read_text_table(
    path: Path,
    *,
    usual: str,
    text: Collection[str],
    written: Collection[str],
    dialect: Dialect,
    report: ReadingReport | None,
) -> pd.DataFrame:
    """Read the table in a CSV or TSV file, gzipped or not; see :func:`harness.data.files.table_files.read_table`.

    ``usual``: the separator that the file's name promises.

    Raises
    ------
    InputError : a column twice, UTF-16 without a byte order mark, decimals that may be read in two ways.
    UnicodeDecodeError, csv.Error, pandas.errors.ParserError and others : not a table.
    """
    encoding, lines, skipped = _sample(path)
    separator = dialect.separator or (skipped[0] if skipped else sniff_separator(lines, usual=usual))
    header = _header(path, encoding, separator, n_skipped=len(skipped))
    check_unique([name for name in header if name], what="columns", source=str(path))
    names = [name or f"Unnamed: {i}" for i, name in enumerate(header)]
    ids = {*text, *written} & set(names)
    missing = {name: [""] if name in ids else sorted(MISSING_WORDS) for name in names}
    read = partial(
        _read, path, sep=separator, encoding=encoding, skiprows=len(skipped), dtype=dict.fromkeys(ids, str),
        na_values=missing,
    )  # fmt: skip
    find = partial(find_decimal, ids=ids, dialect=dialect, source=str(path))
    decimal = dialect.decimal or "."
    if dialect.decimal is None and may_hold_commas(lines, separator):
        decimal = find(read(decimal=".", nrows=_HEAD), read_with=".")
    table = read(decimal=decimal)
    if dialect.decimal is not None:
        table = read_thousands(table, ids=ids, decimal=decimal)
    elif decimal != (right := find(table, read_with=decimal)):
        decimal, table = right, read(decimal=right)
    for name in set(written) & set(names) - set(text):
        table[name] = _numbers_or_text(table[name], decimal)
    if report is not None and (kind := describe(separator, decimal, encoding, usual=usual)):
        if not any(note.endswith(f": {kind}") for note in report.notes):
            report.note(f"{path.name}: {kind}")
        report.add_rows("text_files", [{"file": str(path), "read_as": kind}])
    return table


def _sample(path: Path) -> tuple[str, list[str], list[str]]:
    """Return the encoding, the first lines, and the separator that a line ``sep=`` above the table names, if any."""
    opener: Any = _opener(path)
    with opener(path, "rb") as file:
        begin = file.read(2048)
    encoding = "utf-16" if begin.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    if encoding != "utf-16" and 4 * begin.count(b"\0") > len(begin):
        raise InputError(f"{path}: looks like UTF-16 without a byte order mark, or is binary; save it as UTF-8 text")
    with opener(path, "rt", encoding=encoding, newline="") as file:
        lines = list(islice(file, _SAMPLE))
    hint = _HINT.fullmatch(lines[0]) if lines else None
    if len(lines) == _SAMPLE:
        lines = lines[:-1]  # the last may be half of a quoted field
    return encoding, lines[1:] if hint else lines, [hint[1]] if hint else []


def _header(path: Path, encoding: str, separator: str, *, n_skipped: int) -> Sequence[str]:
    opener: Any = _opener(path)
    with opener(path, "rt", encoding=encoding, newline="") as file:
        rows = csv.reader(islice(file, n_skipped, None), delimiter=separator)
        return next((row for row in rows if row), [])


def _read(path: Path, **options: Any) -> pd.DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        table: pd.DataFrame = pd.read_csv(path, low_memory=False, index_col=False, keep_default_na=False, **options)
    return table


def _numbers_or_text(column: pd.Series[Any], decimal: str) -> pd.Series[Any]:
    """Return numbers if every value is one and can be written in no other way, else the text, ``NA`` included."""
    values = column.where(~column.isin(MISSING_WORDS))
    different = [str(value).strip() for value in values.dropna().unique()]
    if any(_LEADING_ZERO.fullmatch(value) or sum(map(str.isdigit, value)) > _EXACT_DIGITS for value in different):
        return column
    numbers = pd.to_numeric(values.str.replace(",", ".") if decimal == "," else values, errors="coerce")
    return numbers if different and bool((numbers.notna() | values.isna()).all()) else column


def _opener(path: Path) -> Any:
    return gzip.open if path.name.lower().endswith(".gz") else open
