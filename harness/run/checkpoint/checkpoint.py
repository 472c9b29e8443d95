"""Results of the parts of a run that has not finished: each is kept as soon as it exists, and read in place of work."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Protocol

from harness.core.exceptions import InputError
from harness.run.checkpoint.keys import RunKey
from harness.run.checkpoint.table_file import (
    DamagedError,
    StoredTable,
    is_kept,
    read,
    refuse_foreign,
    remove_temporaries,
    write,
)
from harness.utils.file_lock import exclusive_lock

logger = logging.getLogger(__name__)
_SECONDS_KEPT = 30 * 24 * 3600  # of what nobody came back for


class CheckpointStore(Protocol):
    """Where parts of a run are kept, by kind and names (:meth:`harness.run.checkpoint.keys.RunKey.unit`)."""

    def has(self, kind: str, *names: str) -> bool: ...
    def take(self, kind: str, *names: str) -> StoredTable | None: ...
    def put(self, kept: StoredTable, kind: str, *names: str) -> None: ...


class NullCheckpoints:
    """Nothing is kept."""

    def has(self, *_: str) -> bool:
        return False

    def take(self, *_: str) -> None:
        return None

    def put(self, *_: object) -> None: ...


class FileCheckpoints:
    """Units in a folder, one file each.

    Parameters
    ----------
    content : fingerprints of the loaded data and of the split.
    fresh : whether what an earlier attempt left is computed again.

    Attributes
    ----------
    taken : how many were read in place of work.
    """

    def __init__(self, folder: Path, asked: RunKey, *, content: tuple[str, ...], fresh: bool = False) -> None:
        self.folder = folder.absolute()  # for helping processes, which may have started in another one
        self.asked, self.content, self.fresh = asked, content, fresh
        self.taken = 0
        self._known: set[Path] = set()

    def has(self, kind: str, *names: str) -> bool:
        """Return whether there is one to be taken, whole or not."""
        return not self.fresh and self._path(kind, names).is_file()

    def take(self, kind: str, *names: str) -> StoredTable | None:
        """Return what was kept; None if nothing is, or what is there is damaged, which is said.

        Raises
        ------
        InputError : a folder, a pipe or a file of another kind has its name.
        """
        path = self._path(kind, names)
        if self.fresh:
            return None
        try:
            refuse_foreign(path)
            kept = read(path)
        except FileNotFoundError:
            return None
        except DamagedError as error:
            logger.warning("computing again: %s", error)
            return None
        self.taken += 1
        return kept

    def put(self, kept: StoredTable, kind: str, *names: str) -> None:
        """Keep it.

        Raises
        ------
        InputError : the folder cannot be written, or something else has its name.
        """
        path = self._path(kind, names)
        try:
            refuse_foreign(path)
            write(path, kept)
        except OSError as error:
            raise _unwritable(self.folder, error) from error

    def forget(self) -> None:
        """Remove what this run took or made: it is in the tables of the finished run now."""
        for path in self._known:
            if is_kept(path):
                path.unlink(missing_ok=True)

    def _path(self, kind: str, names: tuple[str, ...]) -> Path:
        own = hashlib.sha256("\0".join([*self.content, self.asked.unit(kind, names)]).encode()).hexdigest()
        path = self.folder / f"{self.asked.setting[:24]}-{own[:32]}.parquet"
        self._known.add(path)
        return path


def prepare(folder: Path) -> None:
    """Make the folder; remove units that killed processes left half written, and those that are a month old.

    Raises
    ------
    InputError : it cannot be read or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        remove_temporaries(folder)
        _remove(folder, "", before=time.time() - _SECONDS_KEPT)
    except (OSError, ValueError) as error:
        raise _unwritable(folder, error) from error


@contextmanager
def turn_at(folder: Path, asked: RunKey, *, waiting: Callable[[], None]) -> Iterator[None]:
    """Let one process at a time make the run that is asked for.

    Raises
    ------
    InputError : the folder cannot be written, or something that is no lock has the name of the lock.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(exclusive_lock(folder / f"{asked.run}.lock", on_wait=waiting))
        except OSError as error:
            raise _unwritable(folder, error) from error
        yield


def forget_finished(folder: Path, asked: RunKey, ended: datetime) -> None:
    """Remove units that a finished run was killed before removing: those of its setting that are older than its end."""
    _remove(folder, f"{asked.setting[:24]}-", before=ended.timestamp())


def _remove(folder: Path, start: str, *, before: float) -> None:
    """Remove units whose names begin with ``start`` and that were written ``before``; whatever else is there stays."""
    for path in list(folder.iterdir()):
        try:
            old = path.name.startswith(start) and path.lstat().st_mtime < before
        except FileNotFoundError:  # another process removed it
            continue
        if old and is_kept(path):
            path.unlink(missing_ok=True)


def _unwritable(folder: Path, error: OSError | ValueError) -> InputError:
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return InputError(f"units: {folder} cannot be written ({reason}); make room, or set units=FOLDER to another one")
