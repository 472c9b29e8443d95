"""Read large tables partly: metadata columns in all rows, features in a few."""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from harness.core.arrays import Floats
from harness.core.exceptions import InputError
from harness.data.columns.well_roles import Rules
from harness.data.files.file_parts import FilePart
from harness.data.tables import Tables

LARGE = 16_000_000  # bytes of files; fewer are read whole in about a second
ROWS = 48  # whose values are read
_EMPTY = ["", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "<NA>", "#N/A"]


class Header(NamedTuple):
    """Separator (``""`` of Parquet) and the line or the names."""

    separator: str
    names: str


class SkimmedTables(Tables):
    """Tables whose values are read in the first :data:`ROWS` rows of one file of each header only.

    Attributes
    ----------
    heads : these values, an array (n_i, n_features) for each such file; ``outline.parts`` hold zeros.
    """

    heads: list[Floats]
    _parts: dict[Header, FilePart]  # of the first file of each header, its first rows

    @classmethod
    def of(cls, tables: Tables) -> SkimmedTables:
        """Return the same tables, to be skimmed; ``tables`` must not have been read."""
        skimmed = cls.__new__(cls)
        skimmed.__dict__.update(tables.__dict__)
        skimmed.heads, skimmed._parts = [], {}
        return skimmed

    def _read(self, path: Path, rules: Rules, joined: Sequence[str]) -> FilePart:
        header = read_header(path)
        if header is not None:
            if header not in self._parts:
                self._parts[header] = self._first_rows(path, header, rules, joined)
                self.heads.append(self._parts[header].X)
            names, columns = self._parts[header].names, list(map(str, self._parts[header].meta.columns))
            meta = _columns(path, columns, header.separator, text=self._text_columns)
            if meta is not None:
                return FilePart(path, names, np.broadcast_to(np.float32(0), (len(meta), len(names))), meta)
        whole = super()._read(path, rules, joined)
        self.heads.append(whole.X[:ROWS])
        return whole

    def _first_rows(self, path: Path, header: Header, rules: Rules, joined: Sequence[str]) -> FilePart:
        with tempfile.TemporaryDirectory() as folder:
            head = Path(folder) / path.name
            write_head(path, head, header)
            try:
                return super()._read(head, rules, joined)
            except InputError as error:
                raise InputError(str(error).replace(str(head), str(path))) from error


def is_large(tables: Tables) -> bool:
    """Return whether the files hold more than :data:`LARGE` bytes."""
    return sum(path.stat().st_size for path in tables.files) > LARGE


def read_header(path: Path) -> Header | None:
    """Return the header of a table whose columns can be read by themselves, None of another or an unreadable file."""
    name = path.name.lower()
    try:
        if name.endswith((".parquet", ".pq")):
            return Header("", "\n".join(pq.read_schema(path).names))
        if name.removesuffix(".gz").endswith((".csv", ".tsv", ".txt")):
            with _opened(path) as file:
                line = file.readline()
            return Header(max(",\t;", key=line.count), line)
    except (OSError, EOFError, UnicodeDecodeError, pa.ArrowException):
        return None  # the reader reports the problem
    return None


def write_head(path: Path, head: Path, header: Header) -> None:
    """Write the first rows of ``path`` to the file ``head``, of the same kind."""
    if header.separator == "":
        file = pq.ParquetFile(path)
        batches = list(islice(file.iter_batches(batch_size=ROWS), 1))
        pq.write_table(pa.Table.from_batches(batches, schema=file.schema_arrow), head)
        return
    with _opened(path) as file:
        lines = list(islice(file, ROWS + 1))
    opener: Any = gzip.open if head.name.lower().endswith(".gz") else open
    with opener(head, "wt", encoding="utf-8", newline="") as file:
        file.writelines(lines)


def _opened(path: Path) -> Any:
    opener: Any = gzip.open if path.name.lower().endswith(".gz") else open
    return opener(path, "rt", encoding="utf-8-sig", newline="")


def _columns(path: Path, columns: list[str], separator: str, *, text: Sequence[str]) -> pd.DataFrame | None:
    """Return ``columns`` of all rows, or None if the file does not hold them as they are."""
    if separator == "":
        if not set(columns) <= set(pq.read_schema(path).names):
            return None
        return pd.read_parquet(path, columns=columns).reset_index(drop=True)
    convert = pa.csv.ConvertOptions(
        include_columns=columns, null_values=_EMPTY, strings_can_be_null=True,
        column_types={column: pa.string() for column in columns if column in set(text)},
    )  # fmt: skip
    try:
        table = pa.csv.read_csv(path, convert_options=convert, parse_options=pa.csv.ParseOptions(delimiter=separator))
    except (pa.ArrowInvalid, pa.ArrowKeyError):
        return None
    frame: pd.DataFrame = table.to_pandas()
    return frame
