"""Hash files, source code and profiles; a file that has not changed is hashed once."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness.core.arrays import Floats
from harness.core.exceptions import InputError
from harness.utils.atomic_write import write_text_atomically
from harness.utils.file_kinds import is_plain_file, kind_of

logger = logging.getLogger(__name__)
_PACKAGE = Path(__file__).resolve().parents[1]
_SETTLED = 2_000_000_000  # ns; a file written later than this may change again with the same time stamp
_memory: ContextVar[dict[str, Any] | None] = ContextVar("_memory", default=None)


@contextmanager
def file_hash_cache(path: Path) -> Iterator[None]:
    """Let :func:`file_sha256` cache ``(path, size, mtime) -> sha256`` in the JSON file ``path`` within this block."""
    cached = _read_memory(path)
    memory = dict(cached or {})
    token = _memory.set(memory)
    try:
        yield
    finally:
        _memory.reset(token)
    if cached is not None and memory != cached:
        write_text_atomically(path, json.dumps(memory, indent=1))


def _read_memory(path: Path) -> dict[str, Any] | None:
    """Read what an earlier block cached; return None if the file is not such a cache, and must stay as it is."""
    try:
        if kind_of(path) is None:
            return {}
        memory = json.loads(path.read_text("utf-8")) if is_plain_file(path) else None
    except (OSError, ValueError):
        memory = None
    if isinstance(memory, dict) and all(map(_is_cache_entry, memory.values())):
        return memory
    _warn_of(path)
    return None


@cache
def _warn_of(path: Path) -> None:
    logger.warning(
        "%s cannot be read, or was not made by this program: files are hashed in every run; move it away", path
    )


def _is_cache_entry(entry: Any) -> bool:
    return isinstance(entry, list) and [type(part) for part in entry] == [int, int, str]


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, from the cache if path, size and time of change are the same.

    Raises
    ------
    InputError : the file cannot be read.
    """
    try:
        return _file_sha256(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the file and its permissions") from error


def _file_sha256(path: Path) -> str:
    stat, name, memory = path.stat(), str(path.resolve()), _memory.get()
    seen = [stat.st_size, stat.st_mtime_ns]
    entry = None if memory is None else memory.get(name)
    if isinstance(entry, list) and entry[:2] == seen:
        return str(entry[2])
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if memory is not None and time.time_ns() - stat.st_mtime_ns > _SETTLED:
        memory[name] = [*seen, digest]
    return digest


class Fingerprint:
    """SHA-256 over feature values, the wells table and the feature names."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, X: Floats) -> None:
        """Add rows (n, n_features), C-ordered."""
        self._hash.update(np.ascontiguousarray(X).data)

    def finish(self, wells: pd.DataFrame, features: Sequence[str]) -> str:
        self._hash.update(wells.to_csv(index=False).encode())
        self._hash.update(json.dumps(list(features)).encode())
        return self._hash.hexdigest()


def fingerprint(parts: Iterable[Floats], wells: pd.DataFrame, features: Sequence[str]) -> str:
    """Return the :class:`Fingerprint` of vertically stacked arrays."""
    content = Fingerprint()
    for part in parts:
        content.add(part)
    return content.finish(wells, features)


@cache
def source_hash(*names: str) -> str:
    """Return a SHA-256 over the source files of the modules and packages with these dotted names."""
    digest = hashlib.sha256()
    for name in names:
        module = _PACKAGE.joinpath(*name.split(".")[1:])
        files = sorted(module.rglob("*.py")) if module.is_dir() else [module.with_suffix(".py")]
        for file in files:
            digest.update(f"\0{file.relative_to(_PACKAGE).as_posix()}\0".encode() + file.read_bytes())
    return digest.hexdigest()
