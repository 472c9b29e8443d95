"""Labels from a sparse matrix, with one table for its rows (compounds) and one for its columns (assays)."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.io
import scipy.sparse

from harness.core.exceptions import InputError
from harness.data.files.table_files import read_table, require
from harness.store.validate import check_unique
from harness.task.labels.coding import Coding
from harness.task.labels.entries import Entries
from harness.utils.text import as_key

READERS: dict[str, Callable[[Path], Any]] = {
    ".npz": scipy.sparse.load_npz,  # with allow_pickle=False
    ".mtx": scipy.io.mmread,
    ".mtx.gz": scipy.io.mmread,
}


def is_matrix(path: Path) -> bool:
    """Return whether the file's name ends like that of a sparse matrix."""
    return path.name.lower().endswith(tuple(READERS))


def read_matrix(
    path: Path, coding: Coding, *, rows: Path, columns: Path, compound: str, assay: str, assays: list[str] | None = None
) -> Entries:
    """Read a SciPy ``.npz`` or a Matrix Market ``.mtx`` file; an entry that is not stored is missing.

    Parameters
    ----------
    rows, columns : tables with one line per row and per column of the matrix, in its order; their columns ``compound``
        and ``assay`` hold the ids. Columns of the matrix with the same id, e.g. several readouts of an assay, are
        assays of their own: ``id``, ``id (2)``, ``id (3)``.
    assays : the assays to read, default all.

    Raises
    ------
    InputError : a file that is damaged, or would need pickle to be read; tables of another length, or with a column
        ``index`` that is not in order; a value that ``coding`` does not know.
    """
    stored = _read(path)
    compounds = _ids(rows, compound, n=stored.shape[0], what="rows", of=path)
    ids = pd.Series(_ids(columns, assay, n=stored.shape[1], what="columns", of=path), dtype=object)
    repeat = ids.groupby(ids).cumcount()
    names = ids.where(repeat == 0, ids + " (" + (repeat + 1).astype(str) + ")").tolist()
    check_unique(names, what="assays", source=str(columns))
    selected = np.ones(len(names), dtype=bool)
    if assays is not None:
        require(names, assays, what="assay", source=str(columns))
        selected = np.isin(names, assays)
    entries = selected[stored.col]
    (value,) = coding.decode([("the matrix", stored.data[entries])], source=str(path))
    labelled = ~np.isnan(value)
    column_number = np.cumsum(selected) - 1
    return Entries(
        str(path),
        compounds,
        [name for name, is_selected in zip(names, selected, strict=True) if is_selected],
        stored.row[entries][labelled].astype(np.int64),
        column_number[stored.col[entries][labelled]],
        value[labelled],
        {"assays that share their id with another, numbered": int(ids.duplicated(keep=False).sum())},
    )


def _read(path: Path) -> Any:
    end = next(end for end in sorted(READERS, key=len, reverse=True) if path.name.lower().endswith(end))
    if path.stat().st_size == 0:
        raise InputError(f"{path}: is empty: 0 bytes; expected a sparse matrix of compounds x assays")
    try:
        stored = READERS[end](path)
    except (ValueError, OSError, EOFError, OverflowError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        text = " ".join(str(error).split())
        if "pickle" in text:
            raise InputError(
                f"{path}: is not a plain sparse matrix: reading it needs pickle, which could run code and is refused; "
                "write it with scipy.sparse.save_npz or scipy.io.mmwrite"
            ) from error
        raise InputError(
            f"{path}: not a sparse matrix ({type(error).__name__}: {text}); expected what scipy.sparse.save_npz or "
            "scipy.io.mmwrite writes"
        ) from error
    if not scipy.sparse.issparse(stored):
        raise InputError(f"{path}: a dense matrix, where missing cannot be told from 0; store it as coordinates")
    return stored.tocoo()


def _ids(path: Path, column: str, *, n: int, what: str, of: Path) -> list[str]:
    table = read_table(path, text=[column])
    require(table.columns, [column], what="column", source=str(path))
    if len(table) != n:
        raise InputError(
            f"{path}: {len(table):,} lines for {n:,} {what} of {of.name}; expected one per {what[:-1]}, in order"
        )
    for name in (name for name in table.columns if name.lower() == "index" and name != column):
        number = pd.to_numeric(table[name], errors="coerce")
        if not (number - number.iloc[0] == np.arange(n)).all():
            raise InputError(
                f"{path}: column {name!r} does not count the lines up; sort it like the {what} of {of.name}"
            )
    return as_key(table[column]).tolist()
