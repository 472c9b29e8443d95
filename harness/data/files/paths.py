"""Check that a path is a regular, readable file, and expand globs."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from harness.core.exceptions import InputError

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}


def check_readable(path: Path, *, option: str) -> None:
    """Check that ``path`` is a regular file that may be read, without opening it: a pipe would never end.

    Raises
    ------
    InputError : it is something else, a link that leads nowhere, or the rights to read it are lacking.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        what = "a link that leads nowhere" if path.is_symlink() else "not there"
        raise InputError(f"{option}: {str(path)!r} is {what} ({reason}); expected a file") from error
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "something else")
        raise InputError(f"{option}: {str(path)!r} is no regular file but {kind}; expected a file on disk")
    if not os.access(path, os.R_OK):
        raise InputError(f"{option}: {str(path)!r} may not be read by you; change its rights (chmod u+r) or copy it")


def matching(pattern: str) -> Iterator[str]:
    """Yield the matches of a glob; ``**`` goes through all folders below, each once, however links lead back to it."""
    before, stars, after = pattern.partition("**")
    if not stars or (before and not before.endswith(os.sep)) or (after and not after.startswith(os.sep)):
        yield from glob.iglob(pattern)
        return
    for base in glob.iglob(before) if before else [""]:
        for folder in _folders_below(base):
            yield from matching(os.path.join(glob.escape(folder), after.lstrip(os.sep) or "*"))


def _folders_below(base: str) -> Iterator[str]:
    """Yield ``base`` and every folder below it that is not hidden, each once."""
    visited: set[tuple[int, int]] = set()
    for folder, below, _ in os.walk(base or ".", followlinks=True):
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in visited:
            below.clear()
            continue
        visited.add((status.st_dev, status.st_ino))
        below[:] = sorted(name for name in below if not name.startswith("."))
        yield os.path.relpath(folder, ".") if not base else folder
