"""Write normalized profiles to files: metadata first, then one column per feature, plate after plate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from harness.core.arrays import Floats
from harness.core.exceptions import InputError

Write = Callable[[pd.DataFrame, Floats], None]
Writer = Callable[[Path, pd.DataFrame, tuple[str, ...]], AbstractContextManager[Write]]
_FIRST = ["plate", "well", "batch", "role"]
_GROUP_BYTES = 1 << 28  # of a row group: one per plate would make the footer of a large screen larger than its plates


def metadata_first(wells: pd.DataFrame, features: tuple[str, ...]) -> pd.DataFrame:
    """Return ``wells`` with plate, well, batch and role in front.

    Raises
    ------
    InputError : a feature has the name of a metadata column.
    """
    both = [name for name in features if name in wells]
    if both:
        raise InputError(f"features {both} have the names of metadata columns; rename them, or set data.features")
    return wells[_FIRST + [column for column in wells if column not in _FIRST]]


@contextmanager
def write_parquet(path: Path, wells: pd.DataFrame, features: tuple[str, ...]) -> Iterator[Write]:
    """Write plates to a Parquet file in row groups; ``wells`` is the whole table, for its types."""
    types = pa.Schema.from_pandas(wells, preserve_index=False).remove_metadata()
    schema = pa.schema([*types, *(pa.field(name, pa.float32()) for name in features)])
    buffer: list[pa.Table] = []

    with pq.ParquetWriter(path, schema, use_dictionary=list(types.names)) as writer:

        def flush() -> None:
            if buffer:
                table = pa.concat_tables(buffer).combine_chunks()
                buffer.clear()
                writer.write_table(table, row_group_size=len(table))

        def write(part: pd.DataFrame, X: Floats) -> None:
            metadata = pa.Table.from_pandas(part, schema=types, preserve_index=False)
            values = [pa.array(column) for column in np.ascontiguousarray(X.T)]
            buffer.append(pa.Table.from_arrays([*metadata.columns, *values], schema=schema))
            if sum(table.nbytes for table in buffer) > _GROUP_BYTES:
                flush()

        yield write
        flush()


@contextmanager
def write_h5ad(path: Path, wells: pd.DataFrame, features: tuple[str, ...]) -> Iterator[Write]:  # noqa: ARG001
    """Write an AnnData file, wells x features; all profiles are in memory. Text becomes categories."""
    import anndata

    plates: list[tuple[pd.DataFrame, Floats]] = []
    yield lambda part, X: plates.append((part, X))
    obs = pd.concat([part for part, _ in plates], ignore_index=True)
    for column in obs.columns[[not pd.api.types.is_numeric_dtype(kind) for kind in obs.dtypes]]:
        text = obs[column].astype(object).where(obs[column].notna(), None).map(str, na_action="ignore")
        categories = pd.Index(sorted(set(text.dropna())), dtype=object)  # anndata 0.12.6 writes no strings of Arrow
        obs[column] = pd.Categorical(text, categories=categories)
    obs.index = pd.Index(obs.index.astype(str), dtype=object)
    var = pd.DataFrame(index=pd.Index(list(features), dtype=object))
    anndata.AnnData(X=np.concatenate([X for _, X in plates]), obs=obs, var=var).write_h5ad(path)


def writer_of(path: Path) -> Writer:
    """Return the writer for the ending of a file name.

    Raises
    ------
    InputError : another ending, or a package that is not installed.
    """
    if path.suffix == ".parquet":
        return write_parquet
    if path.suffix == ".h5ad":
        try:
            import anndata  # noqa: F401
        except ImportError:
            raise InputError(
                f"out={path}: writing .h5ad needs anndata; pip install 'normharness[anndata]', or take out=NAME.parquet"
            ) from None
        return write_h5ad
    raise InputError(f"out={path}: ends in {path.suffix!r}; expected NAME.parquet or NAME.h5ad")
