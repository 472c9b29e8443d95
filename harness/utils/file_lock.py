"""Locks between processes, which the operating system releases when their process ends, however it ends."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from harness.core.exceptions import InputError
from harness.utils.file_kinds import FILE, kind_of

try:
    import fcntl
except ImportError:  # Windows, where files cannot be marked as in use
    fcntl = None  # type: ignore[assignment]

_UNSUPPORTED = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP})
_WITHOUT_WAITING = os.O_RDWR | getattr(os, "O_NONBLOCK", 0)  # opening a named pipe must not block


@contextmanager
def exclusive_lock(
    lock_file: Path, *, on_wait: Callable[[], None] = lambda: None, patience: float = 0.0
) -> Iterator[None]:
    """Hold an exclusive lock between processes and threads for the time of the block.

    Parameters
    ----------
    lock_file : an empty file, created by the process that needs the lock and removed by the one that holds it.
    on_wait : called once if another process still holds the lock after ``patience`` seconds.

    Raises
    ------
    InputError : something that is no lock file has its name, or the file system has no locks.
    OSError : the lock file cannot be created.
    """
    lock = acquire_now(lock_file, patience=patience)
    if lock is None:
        on_wait()
        lock = _acquire(lock_file, timeout=-1)
    with _holding(lock, lock_file):
        yield


@contextmanager
def try_exclusive_lock(lock_file: Path) -> Iterator[bool]:
    """Hold the lock if nobody else does; yield whether it is held. Never held where there can be no lock."""
    try:
        lock = acquire_now(lock_file)
    except InputError:
        lock = None
    if lock is None:
        yield False
        return
    with _holding(lock, lock_file):
        yield True


def acquire_now(lock_file: Path, *, patience: float = 0.0) -> BaseFileLock | None:
    """Return the lock, held until it is released; None if another process holds it after ``patience`` seconds.

    The lock file stays where it is.

    Raises
    ------
    InputError, OSError : see :func:`exclusive_lock`.
    """
    try:
        return _acquire(lock_file, timeout=patience)
    except Timeout:
        return None


def _acquire(lock_file: Path, *, timeout: float) -> BaseFileLock:
    _refuse_foreign(lock_file)
    if not lock_file.parent.is_dir():  # the library would create it
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(lock_file))
    lock = FileLock(lock_file, thread_local=False, fallback_to_soft=False)
    try:
        lock.acquire(timeout=timeout)
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            raise _without_locks(lock_file, error) from error
        raise
    return lock


@contextmanager
def _holding(lock: BaseFileLock, lock_file: Path) -> Iterator[None]:
    """Release the lock after the block, and remove its file unless something was written into it or took its place."""
    created = _status(lock_file)
    try:
        yield
    finally:
        current = _status(lock_file)
        if created and current and os.path.samestat(created, current) and not current.st_size:
            with suppress(OSError):  # a lock file that stays does no harm
                lock_file.unlink()  # before the release: processes that wait notice and take a new file
        lock.release()


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except OSError:
        return None


def _refuse_foreign(lock_file: Path) -> None:
    kind = kind_of(lock_file)
    if kind == FILE:
        status = _status(lock_file)  # None if its holder has just removed it
        kind = "a file with content" if status and status.st_size else None
    if kind is not None:
        raise InputError(f"{lock_file} is {kind}, but a lock file of this name is needed (an empty file); move it away")


def mark_in_use(file: int, path: Path) -> None:
    """Mark an open file as in use by this process until it is closed; do nothing on systems without such locks.

    Raises
    ------
    InputError : the file system has no locks.
    """
    if fcntl is not None:
        _flock(file, fcntl.LOCK_SH, path)


def is_in_use(path: Path) -> bool:
    """Return whether a process, this one included, has marked the file as in use, or whether that cannot be found out.

    False on systems without such locks.
    """
    if fcntl is None:
        return False
    try:
        file = os.open(path, _WITHOUT_WAITING)
    except OSError:
        return True
    try:
        return not _flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB, path)
    finally:
        os.close(file)


def _flock(file: int, operation: int, path: Path) -> bool:
    try:
        fcntl.flock(file, operation)
    except BlockingIOError:
        return False
    except OSError as error:
        raise _without_locks(path, error) from error
    return True


def _without_locks(path: Path, error: OSError) -> InputError:
    return InputError(f"{path.parent}: this file system has no file locks ({error}); choose a folder on a local disk")
