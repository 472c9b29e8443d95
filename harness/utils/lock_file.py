"""Lock files: empty, made by whoever needs the lock, removed by whoever holds it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from harness.core.exceptions import InputError
from harness.utils.file_kinds import FILE, kind_of

_CAREFUL = sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC"))  # never waits at a pipe


def open_lock(path: Path) -> int:
    """Return a descriptor of the empty file ``path``, which is made if it is absent.

    Raises
    ------
    InputError : something stands there that is no lock: a folder, a link, a pipe, a file with content.
    OSError : the file cannot be made or opened.
    """
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | _CAREFUL, 0o666)
    except OSError:
        if (kind := kind_of(path)) not in (None, FILE):
            raise _no_lock(path, f"{kind}") from None
        raise
    status = os.fstat(file)
    if not stat.S_ISREG(status.st_mode) or status.st_size:
        os.close(file)
        raise _no_lock(path, "a file with content" if stat.S_ISREG(status.st_mode) else f"{kind_of(path)}")
    return file


def remove_lock(path: Path, file: int) -> None:
    """Remove the lock file ``path`` if it is the one that is open as ``file``, and still empty; close it."""
    try:
        if is_at(file, path) and not os.fstat(file).st_size:
            path.unlink(missing_ok=True)
    finally:
        os.close(file)


def is_at(file: int, path: Path) -> bool:
    """Return whether the open ``file`` is what stands at ``path``."""
    try:
        return os.path.samestat(os.fstat(file), path.lstat())
    except FileNotFoundError:
        return False


def _no_lock(path: Path, kind: str) -> InputError:
    return InputError(f"{path} is {kind}, but a lock file of this name is needed (an empty file); move it away")
