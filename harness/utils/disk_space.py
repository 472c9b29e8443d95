"""Free disk space, the size of folders, and errors of full disks."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.core.exceptions import InputError

GB = 10**9
_FULL = (errno.ENOSPC, errno.EDQUOT)
REMEDY = "free some space, or set cache.folder to another disk"


def is_full(error: BaseException) -> bool:
    """Return whether an error reports a full disk."""
    return isinstance(error, OSError) and error.errno in _FULL


def check_free(folder: Path, n_bytes: int, what: str) -> None:
    """Refuse to write ``n_bytes`` if fewer are free.

    Raises
    ------
    InputError : states both sizes.
    """
    free = shutil.disk_usage(folder).free
    if free < n_bytes:
        raise InputError(f"{folder}: got {gigabytes(free)} free, {what} needs {gigabytes(n_bytes)}; {REMEDY}")


@contextmanager
def refusing_full(folder: Path, what: str) -> Iterator[None]:
    """Raise a one-line error if the disk becomes full within the block.

    Raises
    ------
    InputError : instead of the system's error.
    """
    try:
        yield
    except OSError as error:
        if not is_full(error):
            raise
        raise InputError(f"{folder}: the disk is full while writing {what}; {REMEDY}") from error


def folder_size(folder: Path) -> int:
    """Return the size of all files below a folder, in bytes."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def gigabytes(n_bytes: float) -> str:
    """Format a size as ``15.3 GB``, or with three digits if it is less than one."""
    return f"{n_bytes / GB:.1f} GB" if n_bytes >= GB else f"{n_bytes / GB:.3g} GB"
