"""Checksummed Parquet files of checkpoints, written atomically."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from harness.core.exceptions import InputError
from harness.utils.atomic_write import atomic_write
from harness.utils.file_kinds import is_plain_file, refuse_all_but_files
from harness.utils.process_identity import has_ended, this_process

_METADATA, _SUM = b"harness.about", b"harness.sha256"
_NAME = re.compile(r"[0-9a-f]{24}-[0-9a-f]{32}\.parquet")
_SEPARATOR = "~"  # in the name of a temporary file, before each part of the identity of its process
_MAGIC = b"PAR1"


class CorruptedTableError(Exception):
    """Error for a checkpoint file that is truncated, or whose content does not match its checksum."""


@dataclass(frozen=True)
class StoredTable:
    """A table and its metadata (plain JSON; NaN and infinities are kept)."""

    table: pd.DataFrame
    metadata: Mapping[str, Any]


def write_table(path: Path, stored: StoredTable) -> None:
    """Write a Parquet file with a checksum, under a temporary name in the same folder until it is on the disk."""
    arrow = pa.Table.from_pandas(stored.table, preserve_index=False)
    metadata = json.dumps(stored.metadata, sort_keys=True)
    marks = {_METADATA: metadata.encode(), _SUM: _checksum(arrow.to_pandas(), metadata).encode()}
    arrow = arrow.replace_schema_metadata({**(arrow.schema.metadata or {}), **marks})
    named = path.with_name(_SEPARATOR.join([f".{path.name}", *this_process()]))
    with atomic_write(path, temporary=named) as temporary, temporary.open("wb") as file:
        pq.write_table(arrow, file)
        file.flush()
        os.fsync(file.fileno())


def read_table(path: Path) -> StoredTable:
    """Return what :func:`write_table` wrote.

    Raises
    ------
    CorruptedTableError : the file is truncated or changed.
    FileNotFoundError : there is none.
    """
    try:
        arrow = pq.read_table(path, partitioning=None, memory_map=False)
        table, marks = arrow.to_pandas(), arrow.schema.metadata
        metadata = marks[_METADATA].decode()
        if _checksum(table, metadata) != marks[_SUM].decode():
            raise CorruptedTableError(f"{path}: its content does not match its checksum")
        return StoredTable(table, json.loads(metadata))
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        raise CorruptedTableError(f"{path}: {' '.join(str(error).split())}") from error


def is_checkpoint(path: Path) -> bool:
    """Return whether :func:`write_table` made the file: by its name, and by the marks in it."""
    return bool(_NAME.fullmatch(path.name)) and is_plain_file(path) and _has_marks(path) is True


def _has_marks(path: Path) -> bool | None:
    """Return whether a Parquet file has the marks of :func:`write_table`; None if it is no whole Parquet file."""
    try:
        marks = pq.read_metadata(path).metadata or {}
    except (pa.ArrowException, OSError):
        return None
    return _METADATA in marks and _SUM in marks


def refuse_foreign(path: Path) -> None:
    """Refuse to read or replace ``path`` if no Parquet file is there, not even a damaged one of :func:`write_table`.

    Raises
    ------
    InputError : names it.
    """
    refuse_all_but_files(path, "units")
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return
    if content and not content.startswith(_MAGIC) and _SUM not in content:
        raise InputError(
            f"units: {path} was not made by this program; move it away, or set units=FOLDER to another one"
        )


def remove_temporaries(folder: Path) -> None:
    """Remove temporary files of processes that ended while they wrote."""
    for path in list(folder.iterdir()):
        name, *process = path.name.split(_SEPARATOR)
        if len(process) != 3 or not _NAME.fullmatch(name.removeprefix(".")) or not name.startswith("."):
            continue
        if re.fullmatch(r"[0-9]+", process[1]) and has_ended(process) and _is_begun(path):
            path.unlink(missing_ok=True)


def _is_begun(path: Path) -> bool:
    """Return whether the file holds what :func:`write_table` writes, or the beginning of it, or nothing yet."""
    if not is_plain_file(path) or _has_marks(path) is False:
        return False
    try:
        with path.open("rb") as file:
            return file.read(len(_MAGIC)) in (_MAGIC, b"")
    except OSError:
        return False


def _checksum(table: pd.DataFrame, metadata: str) -> str:
    rows = pd.util.hash_pandas_object(table, index=False).to_numpy()
    return hashlib.sha256(repr(list(table.columns)).encode() + rows.tobytes() + metadata.encode()).hexdigest()
