"""Read parts of an AnnData file with h5py, and only those that are requested.

Format: https://anndata.readthedocs.io/en/stable/fileformat-prose.html (0.8 and later; tables of 0.7 as well).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from harness.core.arrays import Floats
from harness.core.exceptions import InputError
from harness.data.files.memory_limit import check_memory
from harness.utils.text import preview

BLOCK = 1 << 26  # bytes of a matrix that are in memory twice while it is read
_INDEX = ("_index", "index")


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open an AnnData file for reading; turn errors of h5py and HDF5 into one line.

    Raises
    ------
    InputError : h5py is not installed; no HDF5 file, truncated, corrupt, or without the parts of AnnData.
    """
    try:
        h5py = import_module("h5py")
    except ModuleNotFoundError:
        raise InputError(f"{path}: reading .h5ad needs h5py; pip install 'normharness[anndata]'") from None
    if path.stat().st_size == 0:
        raise InputError(f"{path}: is empty: 0 bytes; expected an .h5ad file")
    try:
        with h5py.File(path, "r", locking=False) as file:
            yield file
    except InputError:
        raise
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: holds text that is not UTF-8 ({error.reason}); write the file again") from error
    except MemoryError as error:
        raise InputError(f"{path}: does not fit into memory ({error}); divide it, or correct the file") from error
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, IndexError, OverflowError) as error:
        line = " ".join(str(error).split())
        raise InputError(f"{path}: not an .h5ad file, or corrupt ({line}); copy or write the file again") from error


def child(group: Any, name: str, *, source: str) -> Any:
    """Return a member of a group.

    Raises
    ------
    InputError : absent, a link that leads nowhere or into another file (its content would escape the file's hash).
    """
    h5py = import_module("h5py")
    link = group.get(name, getlink=True)
    if link is None:
        raise InputError(f"{source}: no {group.name.rstrip('/')}/{name}; found {preview(sorted(group), 20)}")
    if isinstance(link, h5py.ExternalLink):
        raise InputError(f"{source}: {name!r} is a link into the file {link.filename!r}; expected the data itself")
    member = group.get(name)
    if member is None:
        raise InputError(f"{source}: {name!r} is a link that leads nowhere; write the file again")
    if isinstance(member, h5py.Datatype):
        raise InputError(f"{source}: {name!r} is the name of a type; expected data: copy or write the file again")
    if isinstance(member, h5py.Dataset) and (member.external or member.is_virtual):
        raise InputError(f"{source}: {name!r} keeps its data in other files; expected the data itself")
    return member


def table(group: Any, *, source: str) -> pd.DataFrame:
    """Read ``obs`` or ``var``; the index holds the names of the rows as text.

    Raises
    ------
    InputError : not a table of AnnData 0.7 or later, columns of several lengths or of a type that is not understood.
    """
    if not hasattr(group, "keys"):
        raise InputError(
            f"{source}: {group.name} is not stored as a table; it was written by anndata before 0.7: read and write it "
            "with a later version"
        )
    index = group.attrs.get("_index", next((name for name in _INDEX if name in group), ""))
    names = _column(child(group, _text(index), source=source), source).astype(object)
    order = [_text(name) for name in np.atleast_1d(group.attrs.get("column-order", ()))]
    again = sorted({name for name in order if order.count(name) > 1})
    if again:
        raise InputError(
            f"{source}: columns {preview(again)} of {group.name} occur more than once; names must be unique"
        )
    columns = {name: _column(child(group, name, source=source), source) for name in order}
    for name, values in columns.items():
        if len(values) != len(names):
            raise InputError(f"{source}: column {name!r} of {group.name} has {len(values)} rows; expected {len(names)}")
    return pd.DataFrame(
        {name: values.to_numpy() for name, values in columns.items()}, index=pd.Index(names, dtype=object)
    )


def _column(member: Any, source: str) -> pd.Series[Any]:
    """Return the values of a column, missing ones as None or NaN."""
    if hasattr(member, "keys"):
        encoding = _text(member.attrs.get("encoding-type", ""))
        if encoding == "categorical":
            categories = _column(child(member, "categories", source=source), source)
            return _decoded(child(member, "codes", source=source), categories, source)
        if encoding.startswith("nullable-"):
            values = _column(child(member, "values", source=source), source).astype(object)
            masked = np.asarray(_whole(child(member, "mask", source=source), source), dtype=bool)
            if masked.shape != (len(values),):
                raise InputError(f"{source}: {member.name} has {masked.size} mask values for {len(values)} rows")
            return values.mask(masked, None).infer_objects()
        raise InputError(
            f"{source}: {member.name} is stored as {encoding or 'a group'!r}; expected a column of a table"
        )
    if "categories" in member.attrs:  # written by 0.7
        return _decoded(member, _column(member.file[member.attrs["categories"]], source), source)
    values = _whole(member, source)
    if values.ndim != 1:
        raise InputError(f"{source}: {member.name} has shape {values.shape}; expected one value per row")
    return pd.Series(values)


def _decoded(codes: Any, categories: pd.Series[Any], source: str) -> pd.Series[Any]:
    numbers = _whole(codes, source)
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu" or (numbers.size and numbers.max() >= len(categories)):
        raise InputError(f"{source}: {codes.name} are no codes of {len(categories)} categories; write the file again")
    extended = pd.concat([categories.astype(object), pd.Series([None], dtype=object)], ignore_index=True)
    return extended.iloc[np.where(numbers < 0, len(categories), numbers)].reset_index(drop=True).infer_objects()


def _whole(dataset: Any, source: str) -> Any:
    """Read a data set as an array, text as str."""
    check_memory(int(dataset.size) * max(dataset.dtype.itemsize, 1), source=f"{source}: {dataset.name}")
    if dataset.dtype.kind in "OS":
        return np.asarray(dataset.asstr()[()], dtype=object)
    if dataset.dtype.kind not in "fiub":
        raise InputError(f"{source}: {dataset.name} holds {dataset.dtype}; expected numbers or text")
    return dataset[()]


def _text(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def shape_of(matrix: Any, *, source: str) -> tuple[int, int]:
    """Return rows and columns of a matrix, dense or sparse.

    Raises
    ------
    InputError : not a matrix of numbers.
    """
    if hasattr(matrix, "keys"):
        encoding = _text(matrix.attrs.get("encoding-type", ""))
        if encoding not in ("csr_matrix", "csc_matrix"):
            raise InputError(f"{source}: {matrix.name} is stored as {encoding!r}; expected an array, csr or csc matrix")
        shape = tuple(int(size) for size in np.atleast_1d(matrix.attrs.get("shape", ())))
    else:
        shape = matrix.shape or ()
        if matrix.dtype.kind not in "fiub":
            raise InputError(f"{source}: {matrix.name} holds {matrix.dtype}; expected numbers")
    if len(shape) != 2 or min(shape) < 1:
        raise InputError(f"{source}: {matrix.name} has shape {shape}; expected wells x features")
    return shape[0], shape[1]


def read_matrix(matrix: Any, rows: Sequence[int], *, source: str) -> Floats:
    """Read ``rows`` (ascending) of a matrix as float32, (n_rows, n_features).

    Raises
    ------
    InputError : more than this machine's memory; a sparse matrix whose parts do not fit.
    """
    n_features = shape_of(matrix, source=source)[1]
    check_memory(4 * len(rows) * n_features, source=f"{source}: {matrix.name}")
    X = np.empty((len(rows), n_features), dtype=np.float32)
    whole = _sparse(matrix, source) if hasattr(matrix, "keys") else None
    step = max(1, BLOCK // (8 * n_features))
    with np.errstate(over="ignore"):
        for begin in range(0, len(rows), step):
            part = rows[begin : begin + step]
            span = matrix[part[0] : part[-1] + 1] if whole is None else whole[part[0] : part[-1] + 1].toarray()
            X[begin : begin + len(part)] = span[np.subtract(part, part[0])]
    return X


def _sparse(group: Any, source: str) -> Any:
    parts = [child(group, name, source=source) for name in ("data", "indices", "indptr")]
    kind = sparse.csr_matrix if _text(group.attrs["encoding-type"]) == "csr_matrix" else sparse.csc_matrix
    matrix = kind(tuple(_whole(part, source) for part in parts), shape=shape_of(group, source=source))
    matrix.check_format(full_check=True)
    return matrix.tocsr()
