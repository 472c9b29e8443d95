"""One process at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # no such locks on Windows
    fcntl = None  # type: ignore[assignment]


@contextmanager
def alone(database: Path) -> Iterator[None]:
    """One process at a time makes the tables of a database: migrations fail where two run at once."""
    path = database.with_name(f"{database.name}.lock")
    with _locked(path):
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _locked(path: Path) -> IO[str]:
    """The lock file, once it is this process's; one that another process removed meanwhile keeps nobody out."""
    while True:
        lock = path.open("w")
        if fcntl is None:
            return lock
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists() and path.stat().st_ino == os.fstat(lock.fileno()).st_ino:
            return lock
        lock.close()
