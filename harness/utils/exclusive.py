"""One process at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.utils.lock_file import is_at, open_lock, remove_lock

try:
    import fcntl
except ImportError:  # no such locks on Windows
    fcntl = None  # type: ignore[assignment]


@contextmanager
def alone(what: Path, *, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Let one process at a time do something about ``what``: e.g. migrations of a database fail if two run at once.

    The lock, ``<what>.lock``, is the operating system's: it ends with the process, however that ends.

    Parameters
    ----------
    waiting : called once if another process is at it.

    Raises
    ------
    InputError : something that is no lock stands at its place.
    OSError : the lock cannot be made.
    """
    path = what.with_name(f"{what.name}.lock")
    lock = _acquired(path, waiting)
    try:
        yield
    finally:
        remove_lock(path, lock)


def _acquired(path: Path, waiting: Callable[[], None]) -> int:
    """Return the locked file; one that its last owner removed while we waited is nobody's lock any more."""
    announced = False
    while True:
        lock = open_lock(path)
        try:
            if fcntl is None:
                return lock
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not announced:
                    waiting()
                announced = True
                fcntl.flock(lock, fcntl.LOCK_EX)
            if is_at(lock, path):
                return lock
        except BaseException:
            os.close(lock)
            raise
        os.close(lock)
