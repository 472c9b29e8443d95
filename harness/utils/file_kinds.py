"""Kinds of files, so that nothing but a plain file is read, replaced or removed."""

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
    """Return the kind of the file at ``path`` in words, links not followed; None if there is none.

    Raises
    ------
    OSError : the kind cannot be read, e.g. for lack of permission.
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
    """Return whether ``path`` itself is a file: no link, folder, pipe or device."""
    try:
        return kind_of(path) == FILE
    except OSError:
        return False


def is_plain_folder(path: Path) -> bool:
    """Return whether ``path`` itself is a folder, and no link to one."""
    try:
        return kind_of(path) == FOLDER
    except OSError:
        return False


def refuse_all_but_files(path: Path, what: str) -> None:
    """Refuse ``path`` if it exists and is no file; a link to a file is accepted.

    Parameters
    ----------
    what : the path in words, with which the message begins.

    Raises
    ------
    InputError : with the kind of the file; or no file can have such a name, or the folder cannot be read.
    """
    try:
        kind = kind_of(path)
        kind = kind_of(path.resolve()) if kind == "a link" else kind
    except (OSError, ValueError) as error:
        raise InputError(f"{what}: {path} cannot be used ({error}); choose another file") from error
    if kind not in (None, FILE):
        raise InputError(f"{what}: {path} is {kind}, expected a file; move it away, or choose another file")


def replaced_file(path: Path, what: str) -> Path:
    """Return the file that is written in place of ``path``: itself, or the target of a link.

    Raises
    ------
    InputError : see :func:`refuse_all_but_files`.
    """
    refuse_all_but_files(path, what)
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def is_working_folder_deleted() -> bool:
    """Return whether the working folder was deleted."""
    try:
        Path.cwd()
    except FileNotFoundError:
        return True
    return False
