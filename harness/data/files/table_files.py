"""Find and read table files: CSV, TSV and GCT, also gzipped, and Parquet."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Collection, Sequence
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from harness.core.exceptions import InputError
from harness.data.files import gct
from harness.data.files.dialect import AUTO, Dialect
from harness.data.files.paths import check_readable, matching
from harness.data.files.text_table import read_text_table
from harness.store.reading_report import ReadingReport
from harness.store.validate import check_unique, check_wide
from harness.utils.text import as_list, preview

_SEPARATORS = {".csv": ",", ".csv.gz": ",", ".tsv": "\t", ".tsv.gz": "\t", ".txt": "\t"}
_PARQUET = (".parquet", ".pq")


def expand(paths: str | Sequence[str], *, option: str) -> list[Path]:
    """Return the files of paths or globs (``**`` goes through folders), each file once, sorted per glob.

    Raises
    ------
    InputError : an entry that matches no file, or something that is no regular file or cannot be read.
    """
    files: dict[Path, None] = {}
    for entry in as_list(paths):
        try:
            pattern = Path(str(entry)).expanduser()
            folder = pattern.is_dir()
            matches = [pattern] if pattern.is_file() else sorted(map(Path, matching(str(pattern))))
            candidates = [match for match in matches if not _is_other_folder(match)]
        except (OSError, ValueError, RuntimeError) as error:  # too long, no such user
            raise InputError(f"{option}: {str(entry)!r} cannot be the path of a file ({error})") from error
        if folder:
            raise InputError(f"{option}: {str(entry)!r} is a folder; expected a file or a glob such as '{entry}/*.csv'")
        if not candidates:
            raise InputError(f"{option}: no such file: {str(entry)!r} matches nothing in {Path.cwd()}")
        for candidate in candidates:
            check_readable(candidate, option=option)
        files.update(dict.fromkeys(candidates))
    if not files:
        raise InputError(f"{option}: names no file; expected paths or globs")
    return list(files)


def expand_one(path: str, *, option: str, expected: str) -> Path:
    """Return the one file of a path or glob; ``expected`` names it in words, for the error.

    Raises
    ------
    InputError : as :func:`expand`, or several files.
    """
    files = expand(path, option=option)
    if len(files) > 1:
        raise InputError(f"{option}: {path!r} matches {len(files)} files; expected {expected}")
    return files[0]


def _is_other_folder(path: Path) -> bool:
    """Return whether a match of a glob is a folder, and not named like a table."""
    return path.is_dir() and not path.name.lower().endswith((*_SEPARATORS, *_PARQUET))


def read_table(
    path: Path,
    *,
    text: Collection[str],
    written: Collection[str] = (),
    dialect: Dialect = AUTO,
    report: ReadingReport | None = None,
) -> pd.DataFrame:
    """Read the table in ``path``, rows 0..n-1.

    Parameters
    ----------
    text : ids: columns of a CSV that are read as they are written; "007" stays, "NA" is a name, only an empty cell
        is missing.
    written : columns of a CSV that are read in the same way, unless every value is a number that can be written in no
        other way.
    dialect : separator and decimal sign; by default inferred from the file.
    report : gets a line if the file is written in an unusual way.

    Raises
    ------
    InputError : unknown kind of file, empty, corrupt, not readable, not UTF-8, a row longer than the header, a column
        twice, numbers that may be read in two ways.
    """
    name = path.name.lower()
    separator = next((_SEPARATORS[end] for end in _SEPARATORS if name.endswith(end)), None)
    if separator is None and not name.endswith((*_PARQUET, *gct.ENDINGS)):
        raise InputError(f"{path}: unknown kind of file; expected one of {[*_SEPARATORS, *_PARQUET, *gct.ENDINGS]}")
    check_readable(path, option="data")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: is empty: 0 bytes; expected a table with a header")
    try:
        if name.endswith(gct.ENDINGS):
            df = gct.read_gct(path)
        elif separator is None:
            df = _read_parquet(path)
        else:
            df = read_text_table(path, usual=separator, text=text, written=written, dialect=dialect, report=report)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path}: corrupt or truncated gzip ({error}); copy or download the file again") from error
    except UnicodeError as error:
        raise InputError(f"{path}: {_not_unicode(error)}") from error
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror or error}); check the disk and the rights"
        ) from error
    except pd.errors.ParserWarning as error:
        raise InputError(
            f"{path}: its rows have more fields than the header ({_line(error)}); expected as many: if they begin with "
            "the names of rows, as R writes them, name that column in the header"
        ) from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError, csv.Error) as error:
        raise InputError(f"{path}: not a table ({_line(error)}); expected rows as long as the header") from error
    return check_wide(df, source=str(path))


def _not_unicode(error: UnicodeError) -> str:
    reason, where = _line(error), ""
    if isinstance(error, UnicodeDecodeError):
        reason = f"{error.reason} at byte {error.start}"
        letter = error.object[error.start : error.start + 1].decode("cp1252", "replace")
        where = f"; in Latin-1 or Windows-1252 that byte is {letter!r}"
    return f"not UTF-8 text ({reason}{where}); save it as UTF-8 (in a spreadsheet: 'CSV UTF-8')"


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        names, df = pq.read_schema(path).names, pd.read_parquet(path)
    except Exception as error:  # a flipped byte may break Arrow, pandas or a JSON parser
        raise InputError(f"{path}: corrupt Parquet ({_line(error)}); copy or write the file again") from error
    check_unique(names, what="columns", source=str(path))
    return df


def require(available: Collection[str], names: Collection[str], *, what: str, source: str) -> None:
    """Raise InputError for the first of ``names`` that is not ``available``."""
    absent = [name for name in names if name not in available]
    if absent:
        raise InputError(f"{source}: no {what} {absent[0]!r}; found {preview(available, 20)}")


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())
