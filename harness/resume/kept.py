"""Tables on disk that are whole or absent, and noticed where they are neither."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from harness.owner import gone, owner

_ABOUT, _SUM = b"harness.about", b"harness.sha256"
_BY = "~"  # in the name of a temporary file, before each word on the process that writes it


class DamagedError(Exception):
    """A file that is truncated, or does not hold what was written."""


@dataclass(frozen=True)
class Kept:
    """A table and what is to be known about it (plain JSON; NaN and infinities are kept)."""

    table: pd.DataFrame
    about: Mapping[str, Any]


def write(path: Path, kept: Kept) -> None:
    """Parquet with a checksum, under a temporary name in the same folder until it is on the disk."""
    arrow = pa.Table.from_pandas(kept.table, preserve_index=False)
    about = json.dumps(kept.about, sort_keys=True)
    metadata = {_ABOUT: about.encode(), _SUM: _checksum(arrow.to_pandas(), about).encode()}
    arrow = arrow.replace_schema_metadata({**(arrow.schema.metadata or {}), **metadata})
    temporary = path.with_name(_BY.join([f".{path.name}", *owner()]))
    try:
        with temporary.open("wb") as file:
            pq.write_table(arrow, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read(path: Path) -> Kept:
    """What was written.

    Raises
    ------
    DamagedError : something else is there. FileNotFoundError : nothing is.
    """
    try:
        arrow = pq.read_table(path, partitioning=None, memory_map=False)
        table, metadata = arrow.to_pandas(), arrow.schema.metadata
        about = metadata[_ABOUT].decode()
        if _checksum(table, about) != metadata[_SUM].decode():
            raise DamagedError(f"{path}: its checksum is another")
        return Kept(table, json.loads(about))
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        raise DamagedError(f"{path}: {' '.join(str(error).split())}") from error


def remove_temporaries(folder: Path) -> None:
    """Temporary files of processes that ended while they wrote."""
    for path in folder.glob(f".*{_BY}*"):
        if gone(path.name.split(_BY)[1:]):
            path.unlink(missing_ok=True)


def _checksum(table: pd.DataFrame, about: str) -> str:
    rows = pd.util.hash_pandas_object(table, index=False).to_numpy()
    return hashlib.sha256(repr(list(table.columns)).encode() + rows.tobytes() + about.encode()).hexdigest()
