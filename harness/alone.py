"""One process at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

try:
    import fcntl
except ImportError:  # no such locks on Windows
    fcntl = None  # type: ignore[assignment]


@contextmanager
def alone(what: Path, *, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """One process at a time does something about ``what``: e.g. migrations of a database fail where two run at once.

    The lock, ``<what>.lock``, is the operating system's: it ends with the process, however that ends.

    Parameters
    ----------
    waiting : called once where another process is at it.
    """
    path = what.with_name(f"{what.name}.lock")
    lock = _acquired(path, waiting)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        lock.close()


def _acquired(path: Path, waiting: Callable[[], None]) -> TextIO:
    """The locked file; one that its last owner removed while we waited is nobody's lock any more."""
    said = False
    while True:
        lock = path.open("w")
        try:
            if fcntl is None:
                return lock
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not said:
                    waiting()
                said = True
                fcntl.flock(lock, fcntl.LOCK_EX)
            if _stands(path, lock):
                return lock
        except BaseException:
            lock.close()
            raise
        lock.close()


def _stands(path: Path, file: TextIO) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False
