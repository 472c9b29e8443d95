"""What stands at a path, so that nothing but a plain file is read, replaced or removed."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from harness.core.exceptions import InputError

FILE, FOLDER, DEVICE = "a file", "a folder", "a device"
_KINDS = {
    stat.S_IFREG: FILE,
    stat.S_IFDIR: FOLDER,
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: DEVICE,
    stat.S_IFBLK: DEVICE,
}


def kind_of(path: Path) -> str | None:
    """Return what stands at ``path`` in words, links not followed; None if nothing does.

    Raises
    ------
    OSError : it cannot be told, e.g. the folder may not be read.
    """
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    if stat.S_ISLNK(mode):
        return _kind_of_link(path)
    return _KINDS.get(stat.S_IFMT(mode), "something unknown")


def _kind_of_link(path: Path) -> str:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return "a link to nothing"
    except OSError:
        return "a link that leads in a circle"
    return "a link"


def is_plain_file(path: Path) -> bool:
    """Return whether a file stands at ``path`` itself: no link, folder, pipe or device."""
    try:
        return kind_of(path) == FILE
    except OSError:
        return False


def is_plain_folder(path: Path) -> bool:
    """Return whether a folder stands at ``path`` itself, and no link to one."""
    try:
        return kind_of(path) == FOLDER
    except OSError:
        return False


def refuse_all_but_files(path: Path, what: str) -> None:
    """Refuse ``path`` if something stands there that is no file; a link to a file is one, and so is nothing.

    Parameters
    ----------
    what : the path in words, with which the message begins.

    Raises
    ------
    InputError : names what stands there; no file can have such a name; the folder cannot be read.
    """
    try:
        kind = kind_of(path)
        kind = kind_of(path.resolve()) if kind == "a link" else kind
    except (OSError, ValueError) as error:
        raise InputError(f"{what}: {path} cannot be used ({error}); choose another file") from error
    if kind not in (None, FILE):
        raise InputError(f"{what}: {path} is {kind}, expected a file; move it away, or choose another file")


def replaced_file(path: Path, what: str) -> Path:
    """Return the file that is written if ``path`` is: ``path``, or what a link there leads to.

    Raises
    ------
    InputError : see :func:`refuse_all_but_files`.
    """
    refuse_all_but_files(path, what)
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def is_working_folder_deleted() -> bool:
    """Return whether the folder that one works in was deleted."""
    try:
        Path.cwd()
    except FileNotFoundError:
        return True
    return False
