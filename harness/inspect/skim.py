"""Read of large tables what describes them: the columns that are no features in all rows, features in a few."""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from harness.data.fileparts import FilePart
from harness.data.roles import Rule
from harness.data.tables import Tables
from harness.types import Floats, InputError

LARGE = 16_000_000  # bytes of files; fewer are read whole in about a second
ROWS = 48  # of each file whose values are read
_EMPTY = ["", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "<NA>", "#N/A"]


class SkimmedTables(Tables):
    """Tables whose values are read in the first :data:`ROWS` rows of each file only.

    Attributes
    ----------
    heads : these values, an array (n_i, n_features) for each file; ``outline.parts`` hold zeros.
    """

    heads: list[Floats]

    @classmethod
    def of(cls, tables: Tables) -> SkimmedTables:
        """Return the same tables, to be skimmed; ``tables`` must not have been read."""
        skimmed = cls.__new__(cls)
        skimmed.__dict__.update(tables.__dict__)
        skimmed.heads = []
        return skimmed

    def _read(self, path: Path, rules: Sequence[Rule | None], joined: Sequence[str]) -> FilePart:
        with tempfile.TemporaryDirectory() as folder:
            head = Path(folder) / path.name
            separator = write_head(path, head)
            try:
                part = super()._read(head, rules, joined)
            except InputError as error:
                raise InputError(str(error).replace(str(head), str(path))) from error
        columns = [str(column) for column in part.meta.columns]
        meta = _columns(path, columns, separator, text=self._text_columns) if separator is not None else None
        if meta is None:
            whole = super()._read(path, rules, joined)
            self.heads.append(whole.X[:ROWS])
            return whole
        self.heads.append(part.X)
        zeros = np.broadcast_to(np.float32(0), (len(meta), len(part.names)))
        return FilePart(path, part.names, zeros, meta)


def is_large(tables: Tables) -> bool:
    """Return whether the files hold more than :data:`LARGE` bytes."""
    return sum(path.stat().st_size for path in tables.files) > LARGE


def write_head(path: Path, head: Path) -> str | None:
    """Write the first rows of ``path`` to ``head``, or all if it is no text and no Parquet.

    Return the separator, ``""`` of Parquet, None if columns cannot be read by themselves.
    """
    name = path.name.lower()
    if name.endswith((".parquet", ".pq")):
        batch = next(pq.ParquetFile(path).iter_batches(batch_size=ROWS), None)
        if batch is None:
            head.write_bytes(path.read_bytes())
            return None
        pq.write_table(pa.Table.from_batches([batch]), head)
        return ""
    if not name.removesuffix(".gz").endswith((".csv", ".tsv", ".txt")):
        head.write_bytes(path.read_bytes())
        return None
    opener: Any = gzip.open if name.endswith(".gz") else open
    try:
        with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
            lines = list(islice(file, ROWS + 1))
    except (OSError, EOFError, UnicodeDecodeError):
        head.write_bytes(path.read_bytes())
        return None
    with opener(head, "wt", encoding="utf-8", newline="") as file:
        file.writelines(lines)
    return max(",\t;", key=lines[0].count) if lines else None


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
