"""Where a run's calls go: straight to a local database, or to a server that may disappear."""

from __future__ import annotations

import logging
import shlex
import time
from pathlib import Path
from typing import Protocol

from harness.core.exceptions import InputError
from harness.tracking.errors import STORE_ERRORS, request_limits, short_reason, suggest_fix
from harness.tracking.outbox import PendingRequest, RunOutbox
from harness.tracking.requests import RunHandle, TrackingRequest, send, write_files
from harness.utils.redaction import redacted
from harness.utils.temporary_folder import temporary_folder, writing_to

SYNC = "python -m harness.sync"
OUTBOX = "mlruns/outbox"  # which sync looks at by itself
_WAIT = 2.0  # seconds before the second attempt; twice as long before each further one
_PAUSE = 30.0  # seconds for which a server that did not answer is left alone
_log = logging.getLogger("harness")


class Transport(Protocol):
    """Takes what a run tells MLflow."""

    target: RunHandle

    def put(self, call: TrackingRequest) -> None: ...
    def close(self) -> None: ...


class DirectTransport:
    """Sends each call at once.

    Raises
    ------
    InputError : the store cannot be written.
    """

    def __init__(self, target: RunHandle, uri: str) -> None:
        self.target = target
        self.uri = uri

    def put(self, call: TrackingRequest) -> None:
        with temporary_folder() as folder:
            with writing_to(folder):
                write_files(call.files, folder)
            try:
                send(call, self.target, folder, again=False)
            except STORE_ERRORS as error:
                what = f"tracking: {redacted(self.uri)} cannot be written ({short_reason(error)})"
                raise InputError(f"{what}; {suggest_fix(error)}, and run again") from error

    def close(self) -> None:
        """Nothing is left to do."""


class BufferedTransport:
    """Keeps each call in a journal and sends what is there, in order. A server that does not answer stops nothing.

    Parameters
    ----------
    retries : attempts at a call after the first, before the server is left alone for a while.
    timeout : seconds for each.
    """

    def __init__(self, target: RunHandle, uri: str, journal: RunOutbox, *, retries: int, timeout: float) -> None:
        self.target = target
        self.uri = uri
        self.journal = journal
        self.retries = retries
        self.timeout = timeout
        self._lost: str | None = None  # why the server could not be told
        self._next = 0.0
        self._tried: PendingRequest | None = None

    def put(self, call: TrackingRequest) -> None:
        """Keep a call, then send what waits.

        Raises
        ------
        InputError : it can neither be kept nor sent.
        """
        try:
            self.journal.keep(call)
        except OSError as error:
            if self._lost is not None:
                where = f"nor can more be kept in {self.journal.folder} ({short_reason(error)})"
                raise InputError(f"tracking: {self._said()}, {where}; make room there, and run again") from error
            DirectTransport(self.target, self.uri).put(call)
            return
        if self._lost is None:
            self.flush(self.retries)
        elif time.monotonic() >= self._next:
            self.flush(0)

    def flush(self, retries: int) -> bool:
        """Send what waits, oldest first; whether all of it was sent."""
        for entry in self.journal.waiting():
            if not self._deliver(entry, retries):
                self._next = time.monotonic() + _PAUSE
                return False
        if self._lost is not None:
            _log.warning("%s answers again; what was kept was sent", redacted(self.uri))
        self._lost = None
        return True

    def _deliver(self, entry: PendingRequest, retries: int) -> bool:
        for attempt in range(1 + retries):
            try:
                with request_limits(retries=0, timeout=self.timeout):
                    send(entry.call(), self.target, entry.files, again=entry == self._tried)
                entry.drop()
                self._tried = None
                return True
            except STORE_ERRORS as error:
                self._tried = entry
                if self._lost is None and attempt == retries:
                    self._lost = short_reason(error)
                    _log.warning("%s; results are kept in %s, the run goes on", self._said(), self.journal.folder)
                elif attempt < retries:
                    time.sleep(_WAIT * 2**attempt)
        return False

    def _said(self) -> str:
        return f"{redacted(self.uri)} does not take results ({self._lost})"

    def close(self) -> None:
        """Remove the journal where everything was sent.

        Raises
        ------
        InputError : something was not; says where it is.
        """
        if self.flush(self.retries):
            self.journal.remove()
            return
        self.journal.release()
        kept = f"the results are kept in {self.journal.folder}"
        raise InputError(f"tracking: {self._said()}; {kept}; once it does, send them with {_sync(self.journal.folder)}")


def _sync(journal: Path) -> str:
    """Return the command that sends a journal."""
    outbox = journal.parent
    return SYNC if outbox == Path(OUTBOX).absolute() else f"{SYNC} --outbox {shlex.quote(str(outbox))}"
