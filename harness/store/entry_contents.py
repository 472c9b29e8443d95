"""Recognize a cache entry by its files, so that no folder of a user is ever removed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

from harness.core.exceptions import InputError
from harness.utils.file_kinds import is_plain_file, is_plain_folder, kind_of, refuse_all_but_files

MARKER = "store.json"  # written last when an entry is made; its modification time is the time of the last use
_NAME = re.compile(r"[0-9a-f]{32}")
_FILES = ("features.npy", "planted.npy", "wells.parquet", "damaged", "truth/*.parquet", MARKER)
_FOLDERS = ("truth",)
_ADVICE = "move it away, or set cache.folder to another folder"


def is_entry(folder: Path) -> bool:
    """Return whether ``folder`` is a finished entry: by its name, its marker, and nothing else being in it."""
    if not _NAME.fullmatch(folder.name) or not is_plain_folder(folder) or not is_plain_file(folder / MARKER):
        return False
    try:
        manifest = json.loads((folder / MARKER).read_text("utf-8"))
        return isinstance(manifest, dict) and "format" in manifest and not _foreign(folder)
    except (OSError, ValueError):
        return False


def is_unfinished(folder: Path) -> bool:
    """Return whether ``folder`` holds nothing but files of an entry, or of a part of one."""
    try:
        return is_plain_folder(folder) and not _foreign(folder)
    except OSError:
        return False


def check_readable(folder: Path) -> None:
    """Refuse to open ``folder`` as an entry if it is no folder, or if a pipe or the like takes the place of a file.

    Raises
    ------
    InputError : names what is in its place.
    """
    if not folder.is_dir():
        raise InputError(
            f"{folder} is {kind_of(folder)}, but a packed screen is kept in a folder of this name; {_ADVICE}"
        )
    for path in _below(folder):
        if any(_is_called(path, folder, name) for name in _FILES):
            refuse_all_but_files(path, "packed screen")


def check_removable(folder: Path) -> None:
    """Refuse to remove a damaged entry if it holds anything that is not part of one.

    Raises
    ------
    InputError : names a file that is no part of it.
    """
    if not is_plain_folder(folder):
        raise InputError(f"{folder} is {kind_of(folder)} and holds a damaged packed screen; {_ADVICE}")
    if foreign := _foreign(folder):
        raise InputError(f"{folder} is damaged, and holds {foreign[0].name!r}, which is no part of it; {_ADVICE}")


def remove_contents(folder: Path) -> None:
    """Remove the files of an entry, then its folder unless it holds anything else; the folder may be absent."""
    with suppress(OSError):  # another process may be removing it as well; the next run tries again
        paths = list(_below(folder)) if is_plain_folder(folder) else []
        for path in paths:
            if _is_file(path, folder):
                path.unlink(missing_ok=True)
        for path in [path for path in paths if _is_folder(path, folder)]:
            path.rmdir()
        folder.rmdir()


def _foreign(folder: Path) -> list[Path]:
    return [path for path in _below(folder) if not _is_file(path, folder) and not _is_folder(path, folder)]


def _below(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        yield path
        if is_plain_folder(path):
            yield from _below(path)


def _is_file(path: Path, folder: Path) -> bool:
    return is_plain_file(path) and any(_is_called(path, folder, name) for name in _FILES)


def _is_called(path: Path, folder: Path, pattern: str) -> bool:
    relative = PurePosixPath(path.relative_to(folder).as_posix())
    return relative.match(pattern) and len(relative.parts) == pattern.count("/") + 1


def _is_folder(path: Path, folder: Path) -> bool:
    return is_plain_folder(path) and path.relative_to(folder).as_posix() in _FOLDERS
