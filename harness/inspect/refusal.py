"""Show the columns of a table that cannot be read with the present settings."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pandas as pd
from pandas.api.types import is_float_dtype

from harness.core.exceptions import InputError
from harness.data.files.table_files import read_table
from harness.data.tables import Tables
from harness.inspect.sample_columns import read_header, write_head
from harness.inspect.text_layout import align_columns
from harness.utils.text import as_text

MOST = 30  # columns
EXAMPLES = 4


def columns_of_first_file(tables: Tables, width: int) -> list[str]:
    """Return the columns of the first file that hold no decimal numbers, with some values; [] if unreadable."""
    try:
        path = tables.files[0]
        with tempfile.TemporaryDirectory() as folder:
            head = Path(folder) / path.name
            header = read_header(path)
            if header is not None:
                write_head(path, head, header)
            table = read_table(path if header is None else head, text=())
    except InputError:
        return []
    named = [str(name) for name in table.columns if str(name).startswith(("Metadata_", "Image_Metadata_"))]
    described = [name for name in table.columns if name in named or not is_float_dtype(table[name])]
    rows = [[str(name), _examples(table[name])] for name in described[:MOST]]
    more = [f"  and {len(described) - MOST} more"] if len(described) > MOST else []
    if not rows:
        return []
    title = f"Columns of {path.name} that may say what its wells are, with values of the first rows"
    return [title, *align_columns(rows, width=width), *more, ""]


def _examples(column: pd.Series) -> str:
    values = [value for value in as_text(column).unique() if value]
    return ", ".join(values[:EXAMPLES]) + (", ..." if len(values) > EXAMPLES else "") if values else "(empty)"
