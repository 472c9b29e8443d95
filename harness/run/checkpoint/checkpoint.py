"""Checkpoints of an unfinished run: each part is saved as soon as it exists, and restored when the run is repeated."""

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
    CorruptedTableError,
    StoredTable,
    is_checkpoint,
    read_table,
    refuse_foreign,
    remove_temporaries,
    write_table,
)
from harness.utils.file_lock import exclusive_lock

logger = logging.getLogger(__name__)
_LIFETIME = 30 * 24 * 3600  # seconds after which the checkpoints of a run that was never repeated are removed


class CheckpointStore(Protocol):
    """Checkpoints by kind and names (:meth:`harness.run.checkpoint.keys.RunKey.checkpoint_key`)."""

    def has(self, kind: str, *names: str) -> bool: ...
    def load(self, kind: str, *names: str) -> StoredTable | None: ...
    def save(self, stored: StoredTable, kind: str, *names: str) -> None: ...


class NullCheckpoints:
    """Checkpoints that save and restore nothing."""

    def has(self, *_: str) -> bool:
        return False

    def load(self, *_: str) -> None:
        return None

    def save(self, *_: object) -> None: ...


class FileCheckpoints:
    """Checkpoints in a folder, one file each.

    Parameters
    ----------
    content : fingerprints of the loaded data and of the split.
    fresh : ignore what an earlier attempt saved.

    Attributes
    ----------
    n_restored : number of checkpoints that were loaded.
    """

    def __init__(self, folder: Path, run_key: RunKey, *, content: tuple[str, ...], fresh: bool = False) -> None:
        self.folder = folder.absolute()  # for worker processes, which may have started in another working folder
        self.run_key, self.content, self.fresh = run_key, content, fresh
        self.n_restored = 0
        self._paths: set[Path] = set()

    def has(self, kind: str, *names: str) -> bool:
        """Return whether there is a checkpoint to load, whole or not."""
        return not self.fresh and self._path(kind, names).is_file()

    def load(self, kind: str, *names: str) -> StoredTable | None:
        """Return the checkpoint; None if it is absent or corrupt (a warning is logged).

        Raises
        ------
        InputError : a folder, a pipe or a file of another kind has its name.
        """
        path = self._path(kind, names)
        if self.fresh:
            return None
        try:
            refuse_foreign(path)
            stored = read_table(path)
        except FileNotFoundError:
            return None
        except CorruptedTableError as error:
            logger.warning("computing again: %s", error)
            return None
        self.n_restored += 1
        return stored

    def save(self, stored: StoredTable, kind: str, *names: str) -> None:
        """Write the checkpoint.

        Raises
        ------
        InputError : the folder cannot be written, or something else has its name.
        """
        path = self._path(kind, names)
        try:
            refuse_foreign(path)
            write_table(path, stored)
        except OSError as error:
            raise _unwritable(self.folder, error) from error

    def clear(self) -> None:
        """Remove the checkpoints that this run loaded or saved: the finished run records their content."""
        for path in self._paths:
            if is_checkpoint(path):
                path.unlink(missing_ok=True)

    def _path(self, kind: str, names: tuple[str, ...]) -> Path:
        parts = [*self.content, self.run_key.checkpoint_key(kind, names)]
        digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()
        path = self.folder / f"{_prefix(self.run_key)}{digest[:32]}.parquet"
        self._paths.add(path)
        return path


def prepare_folder(folder: Path) -> None:
    """Create the folder; remove checkpoints that killed processes left unfinished, and those that are a month old.

    Raises
    ------
    InputError : it cannot be read or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        remove_temporaries(folder)
        _remove(folder, "", before=time.time() - _LIFETIME)
    except (OSError, ValueError) as error:
        raise _unwritable(folder, error) from error


@contextmanager
def run_lock(folder: Path, run_key: RunKey, *, on_wait: Callable[[], None]) -> Iterator[None]:
    """Let one process at a time evaluate what ``run_key`` identifies; call ``on_wait`` if another one does.

    Raises
    ------
    InputError : the folder cannot be written, or something that is no lock file has the name of the lock.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(exclusive_lock(folder / f"{run_key.run_key}.lock", on_wait=on_wait))
        except OSError as error:
            raise _unwritable(folder, error) from error
        yield


def remove_superseded(folder: Path, run_key: RunKey, ended: datetime) -> None:
    """Remove checkpoints of a run that finished and was killed before removing them: those older than its end."""
    _remove(folder, _prefix(run_key), before=ended.timestamp())


def _prefix(run_key: RunKey) -> str:
    return f"{run_key.checkpoint_prefix[:24]}-"


def _remove(folder: Path, prefix: str, *, before: float) -> None:
    """Remove checkpoints with a prefix that were written ``before`` a time; all other files stay."""
    for path in list(folder.iterdir()):
        try:
            is_old = path.name.startswith(prefix) and path.lstat().st_mtime < before
        except FileNotFoundError:  # another process removed it
            continue
        if is_old and is_checkpoint(path):
            path.unlink(missing_ok=True)


def _unwritable(folder: Path, error: OSError | ValueError) -> InputError:
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return InputError(f"units: {folder} cannot be written ({reason}); make room, or set units=FOLDER to another one")
