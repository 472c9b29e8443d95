"""Read GCT files (versions 1.2 and 1.3), whose columns are wells and whose rows are features.

Line 1 ``#1.3``; line 2 the numbers of features, wells, fields that describe features and fields that describe wells;
line 3 ``id``, the names of the fields of features, the ids of the wells; then one line per field of the wells and one
line per feature. Version 1.2 has the numbers of features and wells, and ``Name``, ``Description`` in line 3; it
describes no wells. Format: https://clue.io/connectopedia/gct_format
"""

from __future__ import annotations

import csv
import gzip
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd

from harness.core.exceptions import InputError
from harness.store.validate import check_unique
from harness.utils.text import as_numbers, preview

ENDINGS = (".gct", ".gct.gz")
ID = "id"  # column of the wells' ids
NOT_FEATURES = "not_features"  # attribute of a table: columns that its format declares to be no features
_MISSING = ("", "NA", "na", "NaN", "nan", "null", "None")


@dataclass
class _Header:
    n_features: int
    n_wells: int
    n_feature_fields: int
    n_well_fields: int

    @property
    def n_first(self) -> int:
        """Columns before those of the wells."""
        return 1 + self.n_feature_fields


def read_gct(path: Path) -> pd.DataFrame:
    """Read a GCT file as a table with a row per well: ``id``, the fields of the wells (text), the features (numbers).

    ``attrs["not_features"]`` names the columns that are no features.

    Raises
    ------
    InputError : another version, a header that is not of this form, another number of lines or columns than it says,
        text in a feature, a name twice.
    """
    with _opened(path) as file:
        rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        lines = list(islice(rows, 3))
        header = _header(path, lines)
        _check_width(path, lines[2], header, 3)
        fields = list(islice(rows, header.n_well_fields))
        for i, line in enumerate(fields):
            _check_width(path, line, header, 4 + i)
        if len(fields) < header.n_well_fields:
            raise InputError(
                f"{path}: ends after {len(fields)} of {header.n_well_fields} lines that describe wells; copy it again"
            )
        names, X = _matrix(path, file, header, 4 + len(fields))
    if np.isnan(X[:, -1]).any():
        _check_ends(path, header)
    first = header.n_first
    described = {line[0]: pd.array(line[first:], dtype=object) for line in fields}
    labels = [ID, *(line[0] for line in fields)]
    check_unique([*labels, *names], what="fields of wells and features", source=str(path))
    wells = pd.DataFrame({ID: pd.array(lines[2][first:], dtype=object), **described})
    wells = wells.mask(wells.isin(_MISSING))
    table = pd.concat([wells, pd.DataFrame(X.T, columns=pd.Index(names, dtype=object))], axis=1)
    table.attrs[NOT_FEATURES] = labels
    return table


def _opened(path: Path) -> IO[str]:
    opener: Any = gzip.open if path.name.lower().endswith(".gz") else open
    file: IO[str] = opener(path, "rt", encoding="utf-8-sig", newline="")
    return file


def _check_ends(path: Path, header: _Header) -> None:
    """Refuse lines that end early; pandas fills them with missing values."""
    with _opened(path) as file:
        rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        for number, line in enumerate(islice(rows, 3, None), start=4):
            if any(line):
                _check_width(path, line, header, number)


def _header(path: Path, lines: Sequence[Sequence[str]]) -> _Header:
    version = lines[0][0].strip() if lines and lines[0] else ""
    n_sizes = {"#1.2": 2, "#1.3": 4}.get(version)
    if n_sizes is None:
        raise InputError(f"{path}: begins with {version[:40]!r}; expected a GCT file, with '#1.3' in its first line")
    if len(lines) < 3:
        raise InputError(f"{path}: ends after {len(lines)} lines; expected a GCT file with wells in its third line")
    written = [cell for cell in lines[1] if cell.strip()]
    if len(written) != n_sizes or not all(cell.strip().isdecimal() and len(cell) < 12 for cell in written):
        raise InputError(
            f"{path}, line 2: got {preview(lines[1])}; expected {n_sizes} whole numbers: features, wells"
            + (", fields of features, fields of wells" if n_sizes == 4 else "")
        )
    sizes = [int(cell) for cell in written]
    header = _Header(*sizes, *((1, 0) if n_sizes == 2 else ()))
    if not header.n_features or not header.n_wells:
        raise InputError(f"{path}, line 2: {header.n_features} features of {header.n_wells} wells; expected some")
    return header


def _check_width(path: Path, line: Sequence[str], header: _Header, number: int) -> None:
    expected = header.n_first + header.n_wells
    if len(line) != expected:
        raise InputError(
            f"{path}, line {number}: has {len(line)} columns; expected {expected} by line 2 "
            f"({header.n_first} before the wells and {header.n_wells} wells)"
        )


def _matrix(path: Path, file: IO[str], header: _Header, number: int) -> tuple[list[str], np.ndarray[Any, Any]]:
    """Read names and values of the features, (n_features, n_wells); ``number``: of the first line."""
    width = header.n_first + header.n_wells
    options: dict[str, Any] = {
        "sep": "\t", "header": None, "names": range(width), "index_col": False, "low_memory": False,
        "quoting": csv.QUOTE_NONE, "dtype": dict.fromkeys(range(header.n_first), str), "keep_default_na": False,
        "na_values": {column: list(_MISSING) for column in range(header.n_first, width)},
    }  # fmt: skip
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # of columns that pandas would drop
            df: pd.DataFrame = pd.read_csv(file, **options)
    except pd.errors.EmptyDataError:
        df = pd.DataFrame(columns=range(width))
    if len(df) != header.n_features:
        raise InputError(
            f"{path}: holds {len(df)} lines of features; expected {header.n_features} by line 2: copy or write the "
            "file again"
        )
    names = [str(name).strip() for name in df[0]]
    if "" in names:
        raise InputError(f"{path}, line {number + names.index('')}: a feature without a name; expected an id")
    values = df.iloc[:, header.n_first :]
    if any(not isinstance(dtype, np.dtype) or dtype.kind not in "fiu" for dtype in values.dtypes):
        for column, cells in values.items():
            text = (as_numbers(cells).isna() & cells.notna()).to_numpy()
            if text.any():
                row = int(text.argmax())
                raise InputError(
                    f"{path}, line {number + row}: feature {names[row]!r} holds {cells.iloc[row]!r} in column "
                    f"{int(str(column)) + 1}; expected a number"
                )
    with np.errstate(over="ignore"):
        return names, values.to_numpy(dtype=np.float32, na_value=np.nan)
