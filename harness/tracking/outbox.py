"""Requests that a run has still to send to its server, stored in a folder.

The folder of a run holds ``run.json`` (:class:`RunInfo`), a lock that the process holds as long as it lives, and one
folder for each unsent request, numbered: ``call.json`` and its files. A request appears under its number as a whole, by
a rename, and disappears the same way.
"""

from __future__ import annotations

import json
import re
import shutil
import uuid
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import BaseFileLock

from harness.tracking.requests import KINDS, TrackingRequest, write_files
from harness.utils.atomic_write import write_text_atomically
from harness.utils.file_kinds import is_plain_file, is_plain_folder
from harness.utils.file_lock import acquire_now

_RUN, _LOCK, _REQUEST, _FILES = "run.json", "lock", "call.json", "files"
_UNFINISHED, _SENT = ".making", ".sent"  # endings of names
_NAME = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{8}")
_NUMBER = re.compile(r"[0-9]{6,}")
_ENTRY = re.compile(rf"[0-9]{{6,}}({re.escape(_UNFINISHED)}|{re.escape(_SENT)})?")
_FILES_OF_A_RUN = (_RUN, f"{_RUN}{_UNFINISHED}", _LOCK)


class CorruptedOutboxError(Exception):
    """Error for a file of an outbox that is truncated, or does not hold what was written."""


@dataclass(frozen=True)
class RunInfo:
    """The run that an outbox belongs to, and the server's address without an account."""

    uri: str
    experiment: str
    run_id: str
    name: str


@dataclass(frozen=True)
class PendingRequest:
    """One request that was not sent yet, in its folder."""

    path: Path

    @property
    def number(self) -> int:
        return int(self.path.name)

    @property
    def files(self) -> Path:
        return self.path / _FILES

    def request(self) -> TrackingRequest:
        """Return the request; its files stay in :attr:`files`.

        Raises
        ------
        CorruptedOutboxError : it cannot be read, or is of an unknown kind.
        """
        written = _read(self.path / _REQUEST)
        kind, values = written.get("kind"), written.get("values")
        if kind not in KINDS or not isinstance(values, dict):
            raise CorruptedOutboxError(f"{self.path / _REQUEST} holds no request (kind {kind!r})")
        return TrackingRequest(kind, values)

    def remove(self) -> None:
        """Remove the request, which was sent."""
        _remove_entry(self.path.rename(self.path.with_name(f"{self.path.name}{_SENT}")))


class RunOutbox:
    """The unsent requests of one run, oldest first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock: BaseFileLock | None = None

    @classmethod
    def begin(cls, parent: Path) -> RunOutbox:
        """Return a new outbox below ``parent``, locked by this process.

        Raises
        ------
        OSError : the folder cannot be written.
        """
        name = f"{datetime.now():%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:8]}"
        outbox = cls(parent.absolute() / f".{name}")
        outbox.folder.mkdir(parents=True)
        outbox.try_lock()
        outbox.folder = outbox.folder.rename(parent.absolute() / name)
        return outbox

    def try_lock(self) -> bool:
        """Lock the outbox; return False if another process has locked it.

        Raises
        ------
        FileNotFoundError : another process has just removed it.
        InputError : something that is no lock file has the name of the lock.
        """
        self._lock = acquire_now(self.folder / _LOCK)
        return self._lock is not None

    def release(self) -> None:
        """Unlock the outbox."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def set_run(self, run: RunInfo) -> None:
        """Write down the run that the outbox belongs to."""
        _write(self.folder / _RUN, asdict(run))

    @property
    def run(self) -> RunInfo | None:
        """The run that the outbox belongs to; None if the process ended before its run was created.

        Raises
        ------
        CorruptedOutboxError : it cannot be read.
        """
        path = self.folder / _RUN
        if not path.exists() and not path.is_symlink():
            return None
        written = _read(path)
        if set(written) != set(RunInfo.__annotations__) or not all(isinstance(word, str) for word in written.values()):
            raise CorruptedOutboxError(f"{path} does not say which run it belongs to")
        return RunInfo(**written)

    def append(self, request: TrackingRequest) -> PendingRequest:
        """Store a request, as a whole or not at all.

        Raises
        ------
        OSError : the folder cannot be written.
        """
        number = 1 + max((pending.number for pending in self.pending()), default=0)
        unfinished = self.folder / f"{number:06d}{_UNFINISHED}"
        try:
            unfinished.mkdir(exist_ok=True)
            write_files(request.files, unfinished / _FILES)
            _write(unfinished / _REQUEST, {"kind": request.kind, "values": dict(request.values)})
            (self.folder / _RUN).touch()
            return PendingRequest(unfinished.rename(self.folder / f"{number:06d}"))
        except OSError:
            with suppress(OSError):
                _remove_entry(unfinished)
            raise

    def pending(self) -> list[PendingRequest]:
        """Return the requests that were not sent yet, in order."""
        paths = [path for path in self.folder.iterdir() if _NUMBER.fullmatch(path.name) and is_plain_folder(path)]
        return sorted((PendingRequest(path) for path in paths), key=lambda pending: pending.number)

    def last_activity(self) -> int:
        """Return the time at which the process last stored a request, in milliseconds since 1970."""
        return int((self.folder / _RUN).stat().st_mtime * 1000)

    def remove(self) -> bool:
        """Remove the outbox, all of which was sent. Return False, and leave the folder, if something else is in it."""
        for path in self.folder.iterdir():
            if _ENTRY.fullmatch(path.name) and is_plain_folder(path):
                _remove_entry(path)
        others = [path for path in self.folder.iterdir() if path.name not in _FILES_OF_A_RUN]
        if not others:
            for name in _FILES_OF_A_RUN:
                (self.folder / name).unlink(missing_ok=True)
            self.folder.rmdir()
        self.release()
        return not others


def list_outboxes(parent: Path) -> tuple[list[RunOutbox], list[Path]]:
    """Return all outboxes below ``parent``, oldest first, and the folders there that are none.

    Raises
    ------
    OSError : it cannot be read.
    """
    folders = sorted(path for path in parent.iterdir() if path.is_dir() and not path.name.startswith("."))
    ours = [path for path in folders if _is_outbox(path)]
    return [RunOutbox(path) for path in ours], [path for path in folders if path not in ours]


def _is_outbox(folder: Path) -> bool:
    """Return whether a run created the folder: it has such a name, and holds a lock or a description of a run."""
    if not _NAME.fullmatch(folder.name) or not is_plain_folder(folder):
        return False
    try:
        return any(path.name in _FILES_OF_A_RUN for path in folder.iterdir())
    except OSError:
        return True  # the error is reported when it is read


def _remove_entry(folder: Path) -> None:
    """Remove a request with its files; a folder that holds something else stays.

    Raises
    ------
    OSError : it cannot be removed.
    """
    for name in (_REQUEST, f"{_REQUEST}{_UNFINISHED}"):
        if is_plain_file(folder / name):
            (folder / name).unlink()
    if is_plain_folder(folder / _FILES):
        shutil.rmtree(folder / _FILES)
    if not any(folder.iterdir()):
        folder.rmdir()


def _read(path: Path) -> dict[str, Any]:
    if not is_plain_file(path):
        raise CorruptedOutboxError(f"{path} is no file")
    try:
        written = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise CorruptedOutboxError(f"{path} cannot be read ({error})") from error
    if not isinstance(written, dict):
        raise CorruptedOutboxError(f"{path} holds no description")
    return written


def _write(path: Path, values: dict[str, Any]) -> None:
    write_text_atomically(path, json.dumps(values), temporary=path.with_name(f"{path.name}{_UNFINISHED}"))
