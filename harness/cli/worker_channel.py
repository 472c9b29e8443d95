"""What the jobs of a sweep tell the process that began it, from whatever process or machine they run on."""

from __future__ import annotations

import json
import os
import re
import socket
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.utils.file_kinds import is_plain_file

_STOP = "stop"
_ENDED = re.compile(r"([0-9]+)\.json")
_OURS = re.compile(r"[0-9]+\.(json|part|begun)")


@dataclass(frozen=True)
class JobResult:
    """A job that came to its end: its exit status and what it printed."""

    status: int
    out: str
    err: str


class WorkerChannel:
    """A folder that all workers reach; its path is pickled with the job.

    A worker that does not find it does nothing: its sweep is over.
    """

    def __init__(self) -> None:
        self.folder: Path | None = None
        self._owner = _process()

    @property
    def is_here(self) -> bool:
        """Whether this process made the mailbox, so that nothing needs to be sent."""
        return self._owner == _process()

    @property
    def is_open(self) -> bool:
        """Whether jobs are to begin, and to go on."""
        folder = self._found()
        return folder.is_dir() and not (folder / _STOP).exists()

    def open(self, parent: Path) -> None:
        """Make the folder, below ``parent``."""
        self.folder = parent.absolute() / f"sweep-{uuid.uuid4().hex}"
        self.folder.mkdir(parents=True)

    def stop(self) -> None:
        """Ask jobs that run to end early, and others not to begin."""
        (self._found() / _STOP).touch()

    def close(self) -> None:
        """Remove the folder. One that holds something else stays, and says that its sweep is over."""
        folder = self._found()
        for path in list(folder.iterdir()):
            if _OURS.fullmatch(path.name) and is_plain_file(path):
                path.unlink(missing_ok=True)
        if [path.name for path in folder.iterdir()] not in ([], [_STOP]):
            self.stop()
            return
        (folder / _STOP).unlink(missing_ok=True)
        folder.rmdir()

    def begin(self, job: int) -> None:
        (self._found() / f"{job}.begun").touch()

    def put(self, job: int, ended: JobResult) -> None:
        part, begun = (self._found() / f"{job}.{what}" for what in ("part", "begun"))
        part.write_text(json.dumps(asdict(ended)), encoding="utf-8")
        part.replace(part.with_suffix(".json"))
        begun.unlink()

    @property
    def is_busy(self) -> bool:
        """Whether a job has begun and not ended."""
        return any(self._found().glob("*.begun"))

    def take(self) -> list[JobResult]:
        """Return what arrived since the last time, by the number of the job."""
        found = []
        paths = [path for path in self._found().iterdir() if _ENDED.fullmatch(path.name) and is_plain_file(path)]
        for path in sorted(paths, key=lambda path: int(path.stem)):
            found.append(JobResult(**json.loads(path.read_text(encoding="utf-8"))))
            path.unlink()
        return found

    def _found(self) -> Path:
        assert self.folder is not None, "the mailbox was not opened"
        return self.folder


def _process() -> tuple[str, int]:
    return socket.gethostname(), os.getpid()
