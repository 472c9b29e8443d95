"""What a run has still to tell its server, kept in a folder.

A folder holds ``run.json`` (:class:`RunInfo`), a lock that the process holds as long as it lives, and one folder for
each call that was not sent yet, numbered: ``call.json`` and its files. A call appears under its number as a whole, by a
rename, and goes the same way.
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
from harness.utils.file_kinds import is_plain_file, is_plain_folder
from harness.utils.file_lock import acquire_now

_OWNER, _LOCK, _CALL, _FILES = "run.json", "lock", "call.json", "files"
_MAKING, _SENT = ".making", ".sent"
_NAME = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{8}")
_NUMBER = re.compile(r"[0-9]{6,}")
_ENTRY = re.compile(rf"[0-9]{{6,}}({re.escape(_MAKING)}|{re.escape(_SENT)})?")


class CorruptedOutboxError(Exception):
    """A file of a journal that is truncated, or does not hold what was written."""


@dataclass(frozen=True)
class RunInfo:
    """The run that a journal belongs to, and the server's address without an account."""

    uri: str
    experiment: str
    run_id: str
    name: str


@dataclass(frozen=True)
class PendingRequest:
    """One kept call."""

    path: Path

    @property
    def number(self) -> int:
        return int(self.path.name)

    @property
    def files(self) -> Path:
        return self.path / _FILES

    def call(self) -> TrackingRequest:
        """Return the call; its files stay in :attr:`files`.

        Raises
        ------
        DamagedJournalError : it cannot be read, or is of an unknown kind.
        """
        written = _read(self.path / _CALL)
        kind, values = written.get("kind"), written.get("values")
        if kind not in KINDS or not isinstance(values, dict):
            raise CorruptedOutboxError(f"{self.path / _CALL} holds no call (kind {kind!r})")
        return TrackingRequest(kind, values)

    def drop(self) -> None:
        """Remove it: it was sent."""
        _remove_entry(self.path.rename(self.path.with_name(f"{self.path.name}{_SENT}")))


class RunOutbox:
    """The calls of one run, oldest first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock: BaseFileLock | None = None

    @classmethod
    def begin(cls, outbox: Path) -> RunOutbox:
        """Return a new one below ``outbox``, held by this process.

        Raises
        ------
        OSError : the folder cannot be written.
        """
        name = f"{datetime.now():%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:8]}"
        journal = cls(outbox.absolute() / f".{name}")
        journal.folder.mkdir(parents=True)
        journal.hold()
        journal.folder = journal.folder.rename(outbox.absolute() / name)
        return journal

    def hold(self) -> bool:
        """Take it, unless another process has it.

        Raises
        ------
        FileNotFoundError : another process has just removed it.
        InputError : something that is no lock has the name of the lock.
        """
        self._lock = acquire_now(self.folder / _LOCK)
        return self._lock is not None

    def release(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def own(self, owner: RunInfo) -> None:
        _write(self.folder / _OWNER, asdict(owner))

    @property
    def owner(self) -> RunInfo | None:
        """None if the process ended before its run was made.

        Raises
        ------
        DamagedJournalError : it cannot be read.
        """
        path = self.folder / _OWNER
        if not path.exists() and not path.is_symlink():
            return None
        written = _read(path)
        if set(written) != set(RunInfo.__annotations__) or not all(isinstance(word, str) for word in written.values()):
            raise CorruptedOutboxError(f"{path} does not say which run it belongs to")
        return RunInfo(**written)

    def keep(self, call: TrackingRequest) -> PendingRequest:
        """Write a call down, as a whole or not at all.

        Raises
        ------
        OSError : the folder cannot be written.
        """
        number = 1 + max((entry.number for entry in self.waiting()), default=0)
        making = self.folder / f"{number:06d}{_MAKING}"
        try:
            making.mkdir(exist_ok=True)
            write_files(call.files, making / _FILES)
            _write(making / _CALL, {"kind": call.kind, "values": dict(call.values)})
            (self.folder / _OWNER).touch()
            return PendingRequest(making.rename(self.folder / f"{number:06d}"))
        except OSError:
            with suppress(OSError):
                _remove_entry(making)
            raise

    def waiting(self) -> list[PendingRequest]:
        """Return what was not sent yet, in order."""
        paths = [path for path in self.folder.iterdir() if _NUMBER.fullmatch(path.name) and is_plain_folder(path)]
        return sorted((PendingRequest(path) for path in paths), key=lambda entry: entry.number)

    def last_sign(self) -> int:
        """When the process last kept a call, in milliseconds since 1970."""
        return int((self.folder / _OWNER).stat().st_mtime * 1000)

    def remove(self) -> bool:
        """Remove the journal: everything was sent. Return False, and keep the folder, if something else is in it."""
        for path in self.folder.iterdir():
            if _ENTRY.fullmatch(path.name) and is_plain_folder(path):
                _remove_entry(path)
        others = [path for path in self.folder.iterdir() if path.name not in _OWN]
        if not others:
            for name in _OWN:
                (self.folder / name).unlink(missing_ok=True)
            self.folder.rmdir()
        self.release()
        return not others


_OWN = (_OWNER, f"{_OWNER}{_MAKING}", _LOCK)


def outboxes(outbox: Path) -> tuple[list[RunOutbox], list[Path]]:
    """Return all that are left below ``outbox``, oldest first, and folders there that are none.

    Raises
    ------
    OSError : it cannot be read.
    """
    folders = sorted(path for path in outbox.iterdir() if path.is_dir() and not path.name.startswith("."))
    ours = [path for path in folders if _is_journal(path)]
    return [RunOutbox(path) for path in ours], [path for path in folders if path not in ours]


def _is_journal(folder: Path) -> bool:
    """Return whether a run made the folder: by its name, and by its lock or its description being there."""
    if not _NAME.fullmatch(folder.name) or not is_plain_folder(folder):
        return False
    try:
        return any(path.name in _OWN for path in folder.iterdir())
    except OSError:
        return True  # it is said when it is read


def _remove_entry(folder: Path) -> None:
    """Remove a call with its files; a folder with something else in it stays.

    Raises
    ------
    OSError : it cannot be removed.
    """
    for name in (_CALL, f"{_CALL}{_MAKING}"):
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
    making = path.with_name(f"{path.name}{_MAKING}")
    making.write_text(json.dumps(values), "utf-8")
    making.rename(path)
