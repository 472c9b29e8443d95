"""What a run has still to tell its server, kept in a folder.

A folder holds ``run.json`` (:class:`Owner`), a lock that the process holds as long as it lives, and one folder for
each call that was not sent yet, numbered: ``call.json`` and its files. A call appears under its number as a whole, by a
rename, and goes the same way.
"""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from harness.track.calls import Call, write_files

try:
    import fcntl
except ImportError:  # no such locks on Windows
    fcntl = None  # type: ignore[assignment]

_OWNER, _LOCK, _CALL, _FILES = "run.json", "lock", "call.json", "files"


@dataclass(frozen=True)
class Owner:
    """The run that a journal belongs to, and the server's address without an account."""

    uri: str
    experiment: str
    run_id: str
    name: str


@dataclass(frozen=True)
class Entry:
    """One kept call."""

    path: Path

    @property
    def number(self) -> int:
        return int(self.path.name)

    @property
    def files(self) -> Path:
        return self.path / _FILES

    def call(self) -> Call:
        """The call; its files stay in :attr:`files`."""
        kept = json.loads((self.path / _CALL).read_text("utf-8"))
        return Call(kept["kind"], kept["values"])

    def drop(self) -> None:
        """It was sent."""
        gone = self.path.rename(self.path.with_name(f"{self.path.name}.sent"))
        shutil.rmtree(gone)


class Journal:
    """The calls of one run, oldest first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock: IO[str] | None = None

    @classmethod
    def begin(cls, outbox: Path) -> Journal:
        """A new one below ``outbox``, held by this process.

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
        """
        lock = (self.folder / _LOCK).open("w")
        if fcntl is not None:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
                return False
        self._lock = lock
        return True

    def release(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def own(self, owner: Owner) -> None:
        _write(self.folder / _OWNER, asdict(owner))

    @property
    def owner(self) -> Owner | None:
        """None where the process ended before its run was made."""
        path = self.folder / _OWNER
        return Owner(**json.loads(path.read_text("utf-8"))) if path.is_file() else None

    def keep(self, call: Call) -> Entry:
        """Write a call down, as a whole or not at all.

        Raises
        ------
        OSError : the folder cannot be written.
        """
        number = 1 + max((entry.number for entry in self.waiting()), default=0)
        making = self.folder / f"{number:06d}.making"
        try:
            making.mkdir(exist_ok=True)
            write_files(call.files, making / _FILES)
            _write(making / _CALL, {"kind": call.kind, "values": dict(call.values)})
            (self.folder / _OWNER).touch()
            return Entry(making.rename(self.folder / f"{number:06d}"))
        except OSError:
            shutil.rmtree(making, ignore_errors=True)
            raise

    def waiting(self) -> list[Entry]:
        """What was not sent yet, in order."""
        return [Entry(path) for path in sorted(self.folder.iterdir()) if path.name.isdigit()]

    def last_sign(self) -> int:
        """When the process last kept a call, in milliseconds since 1970."""
        return int((self.folder / _OWNER).stat().st_mtime * 1000)

    def remove(self) -> None:
        """Everything was sent."""
        shutil.rmtree(self.folder)
        self.release()


def journals(outbox: Path) -> Iterator[Journal]:
    """All that are left below ``outbox``, oldest first."""
    for path in sorted(outbox.iterdir()) if outbox.is_dir() else []:
        if path.is_dir() and not path.name.startswith("."):
            yield Journal(path)


def _write(path: Path, values: dict[str, Any]) -> None:
    making = path.with_name(f"{path.name}.making")
    making.write_text(json.dumps(values), "utf-8")
    making.rename(path)
