"""Files through which the jobs of a sweep report to the process that launched it, from any process or machine."""

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
_RUNNING, _FINISHED = ".running", ".json"
_MESSAGE = re.compile(r"[0-9]+\.(json|running)")


@dataclass(frozen=True)
class JobResult:
    """Result of a job: its exit status, its outcome (:mod:`harness.cli.sweep_counts`) and its output."""

    status: int
    outcome: str = ""
    out: str = ""
    err: str = ""


class WorkerChannel:
    """A folder that all workers reach, with one file for each job; its path is pickled with the job.

    ``N.running`` exists while job N runs and becomes ``N.json``, its result, by a rename, which is atomic on network
    file systems too; appending to one file is not. A worker that does not find the folder does nothing: its sweep is
    over.
    """

    def __init__(self) -> None:
        self.folder: Path | None = None
        self._process = _this_process()

    @property
    def is_local(self) -> bool:
        """Whether this process made the channel, so that nothing needs to be sent."""
        return self._process == _this_process()

    @property
    def is_open(self) -> bool:
        """Whether jobs should start, and go on."""
        folder = self._opened_folder()
        return folder.is_dir() and not (folder / _STOP).exists()

    def open(self, parent: Path) -> None:
        """Make the folder, below ``parent``."""
        self.folder = parent.absolute() / f"sweep-{uuid.uuid4().hex}"
        self.folder.mkdir(parents=True)

    def stop(self) -> None:
        """Ask running jobs to end early, and others not to start."""
        (self._opened_folder() / _STOP).touch()

    def close(self) -> None:
        """Remove the folder. One that holds foreign files stays, with a mark that its sweep is over."""
        folder = self._opened_folder()
        for path in list(folder.iterdir()):
            if _MESSAGE.fullmatch(path.name) and is_plain_file(path):
                path.unlink(missing_ok=True)
        if [path.name for path in folder.iterdir()] not in ([], [_STOP]):
            self.stop()
            return
        (folder / _STOP).unlink(missing_ok=True)
        folder.rmdir()

    def start_job(self, number: int) -> None:
        """Record that a job runs."""
        (self._opened_folder() / f"{number}{_RUNNING}").touch()

    def send(self, number: int, result: JobResult) -> None:
        """Write the result of a job that was started."""
        path = self._opened_folder() / f"{number}{_RUNNING}"
        path.write_text(json.dumps(asdict(result)), encoding="utf-8")
        path.replace(path.with_suffix(_FINISHED))

    @property
    def has_running_jobs(self) -> bool:
        """Whether a job has started and not ended."""
        return any(self._opened_folder().glob(f"*{_RUNNING}"))

    def receive(self) -> list[JobResult]:
        """Return the results that arrived since the last call, in the order of the jobs."""
        messages = [path for path in self._opened_folder().iterdir() if _is_result(path)]
        results = []
        for path in sorted(messages, key=lambda path: int(path.stem)):
            results.append(JobResult(**json.loads(path.read_text(encoding="utf-8"))))
            path.unlink()
        return results

    def _opened_folder(self) -> Path:
        assert self.folder is not None, "the channel was not opened"
        return self.folder


def _is_result(path: Path) -> bool:
    return bool(_MESSAGE.fullmatch(path.name)) and path.suffix == _FINISHED and is_plain_file(path)


def _this_process() -> tuple[str, int]:
    return socket.gethostname(), os.getpid()
