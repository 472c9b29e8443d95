"""Finding and reading table files: CSV, TSV, GCT, all also gzipped, Parquet."""

from __future__ import annotations

import csv
import glob
import gzip
import warnings
import zlib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from harness.data import gct
from harness.data.text import listed, some
from harness.data.validate import check_unique, check_wide
from harness.types import InputError

_SEPARATORS = {".csv": ",", ".csv.gz": ",", ".tsv": "\t", ".tsv.gz": "\t", ".txt": "\t"}
_PARQUET = (".parquet", ".pq")


def expand(paths: str | Sequence[str], *, option: str) -> list[Path]:
    """Files of a path or glob, or of several (``**`` goes through folders), each file once, sorted per glob.

    Raises
    ------
    InputError : an entry that matches no file.
    """
    found: dict[Path, None] = {}
    for entry in listed(paths):
        try:
            pattern = Path(str(entry)).expanduser()
            folder = pattern.is_dir()
            matches = [pattern] if pattern.is_file() else sorted(map(Path, glob.glob(str(pattern), recursive=True)))
            files = [match for match in matches if match.is_file()]
        except (OSError, ValueError, RuntimeError) as error:  # too long, no such user
            raise InputError(f"{option}: {str(entry)!r} cannot be the path of a file ({error})") from error
        if folder:
            raise InputError(f"{option}: {str(entry)!r} is a folder; expected a file or a glob such as '{entry}/*.csv'")
        if not files:
            raise InputError(f"{option}: no such file: {str(entry)!r} matches nothing in {Path.cwd()}")
        found.update(dict.fromkeys(files))
    if not found:
        raise InputError(f"{option}: names no file; expected paths or globs")
    return list(found)


def read_table(path: Path, *, text: Collection[str]) -> pd.DataFrame:
    """The table in ``path``, rows 0..n-1; the columns ``text`` of a CSV are not read as numbers ("007" stays).

    Raises
    ------
    InputError : unknown kind of file, empty, corrupt, not UTF-8, a row longer than the header, a column twice.
    """
    name = path.name.lower()
    separator = next((_SEPARATORS[end] for end in _SEPARATORS if name.endswith(end)), None)
    if separator is None and not name.endswith((*_PARQUET, *gct.ENDINGS)):
        raise InputError(f"{path}: unknown kind of file; expected one of {[*_SEPARATORS, *_PARQUET, *gct.ENDINGS]}")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: is empty: 0 bytes; expected a table with a header")
    try:
        if name.endswith(gct.ENDINGS):
            df = gct.read_gct(path)
        else:
            df = _read_parquet(path) if separator is None else _read_text(path, separator, text)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path}: corrupt or truncated gzip ({error}); copy or download the file again") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8") from error
    except (pd.errors.ParserError, pd.errors.ParserWarning, pd.errors.EmptyDataError, csv.Error) as error:
        raise InputError(f"{path}: not a table ({_line(error)}); expected rows as long as the header") from error
    return check_wide(df, source=str(path))


def _read_text(path: Path, separator: str, text: Collection[str]) -> pd.DataFrame:
    opener: Any = gzip.open if path.name.lower().endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
        header: list[str] = next((row for row in csv.reader(file, delimiter=separator) if row), [])
    check_unique([name for name in header if name], what="columns", source=str(path))
    options: dict[str, Any] = {"sep": separator, "encoding": "utf-8-sig", "low_memory": False, "index_col": False}
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        df: pd.DataFrame = pd.read_csv(path, dtype=dict.fromkeys(set(text) & set(header), str), **options)
    return df


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        names, df = pq.read_schema(path).names, pd.read_parquet(path)
    except Exception as error:  # a flipped byte may lie in what Arrow, pandas or a JSON parser reads
        raise InputError(f"{path}: corrupt Parquet ({_line(error)}); copy or write the file again") from error
    check_unique(names, what="columns", source=str(path))
    return df


def require(found: Collection[str], wanted: Collection[str], *, what: str, source: str) -> None:
    """Raises InputError for the first of ``wanted`` that is not in ``found``."""
    absent = [name for name in wanted if name not in found]
    if absent:
        raise InputError(f"{source}: no {what} {absent[0]!r}; found {some(found, 20)}")


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())
