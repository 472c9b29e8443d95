"""Locks that the system releases when their process ends, however it ends; none where it has none (Windows)."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.core.exceptions import InputError
from harness.utils.disk_space import is_full
from harness.utils.lock_file import is_at, open_lock, remove_lock

try:
    import fcntl
except ImportError:  # no such locks on Windows
    fcntl = None  # type: ignore[assignment]

logger = logging.getLogger(__name__)
PATIENCE = 3.0  # seconds of waiting before it is said
_PAUSE = 0.05
_WITHOUT_WAITING = os.O_RDWR | getattr(os, "O_NONBLOCK", 0)


@contextmanager
def sole(path: Path, what: str) -> Iterator[None]:
    """Only one process (and thread) at a time is within a block of this ``path``; the others wait, and say for what.

    Raises
    ------
    InputError : the file system has no locks, or something else stands at the place of the lock.
    """
    if fcntl is None:
        yield
        return
    start, said = time.monotonic(), False
    while (file := _taken(path)) is None:
        time.sleep(_PAUSE)
        if not said and time.monotonic() - start > PATIENCE:
            logger.warning("waiting for another process, which makes %s (%s)", what, path.parent)
            said = True
    with _held(path, file):
        yield


@contextmanager
def sole_now(path: Path) -> Iterator[bool]:
    """As :func:`sole` without waiting: whether this process is the only one. Never if there can be no lock."""
    try:
        file = _taken(path) if fcntl is not None else None
    except InputError:
        file = None
    if file is None:
        yield False
        return
    with _held(path, file):
        yield True


@contextmanager
def _held(path: Path, file: int) -> Iterator[None]:
    try:
        yield
    finally:
        remove_lock(path, file)


def _taken(path: Path) -> int | None:
    """Return the locked file, or None while another holds it. Who removes the file holds it, so that no two hold one
    each.
    """
    try:
        file = open_lock(path)
    except OSError as error:
        if is_full(error):
            raise
        raise InputError(f"{path}: cannot be locked ({error.strerror}); set cache.folder to another folder") from error
    if _lock(file, fcntl.LOCK_EX | fcntl.LOCK_NB, path) and is_at(file, path):
        return file
    os.close(file)
    return None


def share(file: int, path: Path) -> None:
    """Mark an open file as used by this process until it is closed."""
    if fcntl is not None:
        _lock(file, fcntl.LOCK_SH, path)


def is_shared(path: Path) -> bool:
    """Return whether some process, this one included, has the file marked as used, or may have: this one cannot tell.

    False on systems without locks.
    """
    if fcntl is None:
        return False
    try:
        file = os.open(path, _WITHOUT_WAITING)
    except OSError:
        return True
    try:
        return not _lock(file, fcntl.LOCK_EX | fcntl.LOCK_NB, path)
    finally:
        os.close(file)


def _lock(file: int, operation: int, path: Path) -> bool:
    try:
        fcntl.flock(file, operation)
    except BlockingIOError:
        return False
    except OSError as error:
        raise InputError(f"{path.parent}: no file locks here ({error}); set cache.folder to a local disk") from error
    return True
