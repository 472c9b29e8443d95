"""Size-bounded on-disk cache of expensive results; each entry is built once, under a lock."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from harness.core.exceptions import CorruptedStoreError, InputError
from harness.store.entry_contents import (
    MARKER,
    check_readable,
    check_removable,
    is_entry,
    is_unfinished,
    remove_contents,
)
from harness.utils.disk_space import GB, check_free, folder_size, gigabytes, is_full, refusing_full
from harness.utils.file_kinds import kind_of
from harness.utils.file_lock import exclusive_lock, is_in_use, try_exclusive_lock

logger = logging.getLogger(__name__)
Opened = TypeVar("Opened")
PATIENCE = 3.0  # seconds of waiting for another process before it is logged
_ELSEWHERE = "move it away, or set cache.folder to another folder"
_PART = re.compile(r"\.([0-9a-f]{32})\.[0-9a-f]{8}\.part")


class DirectoryCache:
    """Cache of entries in ``folder``; beyond ``max_gb`` (10^9 bytes) the least recently used ones are removed.

    An entry is in use, and stays, while its ``features.npy`` is marked (:func:`harness.utils.file_lock.mark_in_use`).

    Raises
    ------
    InputError : ``max_gb`` is no positive number.
    """

    def __init__(self, folder: Path, max_gb: float = 50) -> None:
        if isinstance(max_gb, bool) or not isinstance(max_gb, int | float) or not max_gb > 0:
            raise InputError(f"cache.max_gb={max_gb!r}: expected a number above 0, in GB")
        self.folder = folder.absolute()
        self.max_gb = max_gb

    def name(self, key: Mapping[str, Any]) -> str:
        """Return the name of the entry that depends on ``key``, which is JSON-able."""
        return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:32]

    def begin(self) -> None:
        """Make the folder, and remove unfinished entries of processes that were killed.

        Raises
        ------
        InputError : the folder cannot be made, read or written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except (OSError, ValueError) as error:
            raise InputError(f"{self.folder}: cannot be made ({error}); set cache.folder to another folder") from error
        if not os.access(self.folder, os.R_OK | os.W_OK | os.X_OK):
            raise InputError(f"{self.folder}: cannot be written; set cache.folder to another folder")
        for path in list(self.folder.iterdir()):
            if (part := _PART.fullmatch(path.name)) and is_unfinished(path):
                with try_exclusive_lock(self._lock(part[1])) as acquired:
                    if acquired:
                        remove_contents(path)

    def entry(
        self,
        name: str,
        *,
        make: Callable[[Path], None],
        opened: Callable[[Path], Opened],
        n_bytes: Callable[[], int],
        what: str,
    ) -> Opened:
        """Return ``opened(folder)`` of an entry; ``make(folder)`` makes it first if it is absent or damaged.

        One process makes it while others that need it wait. A failure leaves nothing behind.

        Parameters
        ----------
        n_bytes : size of the entry, 0 if that is not known in advance.
        what : the entry in words, for messages.

        Raises
        ------
        InputError : no room on the disk.
        """
        folder = self.folder / name
        with refusing_full(self.folder, what), self._locked(name, what):
            content = self._open_existing(folder, opened)
            is_new = content is None
            if content is None:
                check_free(self.folder, n_bytes(), what)
                self._make(folder, make)
                content = opened(folder)
        if is_new and (n := folder_size(folder)) > self.max_gb * GB:
            logger.warning("%s takes %s, more than cache.max_gb=%g holds", what, gigabytes(n), self.max_gb)
        self._evict(except_for=folder)
        return content

    @contextmanager
    def _locked(self, name: str, what: str) -> Iterator[None]:
        """Let one process at a time work on the entry, and log that this one waits."""

        def warn() -> None:
            logger.warning("waiting for another process, which makes %s (%s)", what, self.folder)

        with ExitStack() as stack:
            try:
                stack.enter_context(exclusive_lock(self._lock(name), on_wait=warn, patience=PATIENCE))
            except OSError as error:
                if is_full(error):
                    raise
                raise InputError(
                    f"{self._lock(name)}: cannot be locked ({error.strerror}); set cache.folder to another folder"
                ) from error
            yield

    def _lock(self, name: str) -> Path:
        return self.folder / f".{name}.lock"

    def _open_existing(self, folder: Path, opened: Callable[[Path], Opened]) -> Opened | None:
        """Return the opened entry and date its use; None if it is absent, or damaged and therefore removed."""
        if kind_of(folder) is None:
            return None
        try:
            check_readable(folder)
            entry = opened(folder)
        except CorruptedStoreError as error:
            logger.warning("rebuilding: %s", error)
            _remove(folder)
            return None
        except OSError as error:
            if is_full(error):
                raise
            raise InputError(f"{folder}: cannot be read ({error.strerror}); {_ELSEWHERE}") from error
        if os.access(folder / MARKER, os.W_OK):
            with suppress(PermissionError):  # the entry of another user, which this one may not date
                os.utime(folder / MARKER)
        return entry

    def _make(self, folder: Path, make: Callable[[Path], None]) -> None:
        part = self.folder / f".{folder.name}.{secrets.token_hex(4)}.part"
        part.mkdir()
        try:
            make(part)
            part.rename(folder)
        except OSError:
            if not folder.exists():  # without locks, another process may have made it meanwhile
                raise
        finally:
            remove_contents(part)

    def _evict(self, *, except_for: Path) -> None:
        """Remove the least recently used entries until the rest is within the bound; never one that is in use."""
        entries = [path for path in self.folder.iterdir() if is_entry(path)]
        sizes = {path: folder_size(path) for path in entries}
        excess = sum(sizes.values()) - self.max_gb * GB
        for path in sorted(entries, key=lambda path: (path / MARKER).stat().st_mtime_ns):
            if excess <= 0:
                break
            with try_exclusive_lock(self._lock(path.name)) as acquired:
                if acquired and path != except_for and not _is_in_use(path) and os.access(path, os.W_OK | os.X_OK):
                    _remove(path)
                    excess -= sizes[path]


def _is_in_use(folder: Path) -> bool:
    return (folder / "features.npy").exists() and is_in_use(folder / "features.npy")


def _remove(folder: Path) -> None:
    """Remove an entry: rename it first, so that it disappears at once for other processes, then delete its files.

    Raises
    ------
    InputError : it cannot be removed, or holds anything that is no part of it.
    """
    check_removable(folder)
    renamed = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.part")
    try:
        folder.rename(renamed)
    except OSError as error:
        raise InputError(f"{folder}: cannot be removed ({error.strerror}); {_ELSEWHERE}") from error
    remove_contents(renamed)
