"""Transports of a run's requests: directly to a local database, or buffered to a server that may disappear."""

from __future__ import annotations

import logging
import shlex
import time
from pathlib import Path
from typing import Protocol

from harness.core.exceptions import InputError
from harness.tracking.errors import STORE_ERRORS, short_reason, suggest_fix
from harness.tracking.outbox import PendingRequest, RunOutbox
from harness.tracking.request_limits import request_limits
from harness.tracking.requests import RunHandle, TrackingRequest, send, write_files
from harness.utils.redaction import redacted
from harness.utils.temporary_folder import temporary_folder, writing_to

SYNC = "python -m harness.sync"
OUTBOX = "mlruns/outbox"  # the folder that sync reads by default
_WAIT = 2.0  # seconds before the second attempt; twice as long before each further one
_PAUSE = 30.0  # seconds for which a server that did not answer is left alone
_log = logging.getLogger("harness")


class Transport(Protocol):
    """Sends the requests of a run to MLflow."""

    target: RunHandle

    def put(self, request: TrackingRequest) -> None: ...
    def close(self) -> None: ...


class DirectTransport:
    """Transport that sends each request at once.

    Raises
    ------
    InputError : the store cannot be written.
    """

    def __init__(self, target: RunHandle, uri: str) -> None:
        self.target = target
        self.uri = uri

    def put(self, request: TrackingRequest) -> None:
        with temporary_folder() as folder:
            with writing_to(folder):
                write_files(request.files, folder)
            try:
                send(request, self.target, folder, is_retry=False)
            except STORE_ERRORS as error:
                what = f"tracking: {redacted(self.uri)} cannot be written ({short_reason(error)})"
                raise InputError(f"{what}; {suggest_fix(error)}, and run again") from error

    def close(self) -> None:
        """Do nothing: every request was sent."""


class BufferedTransport:
    """Transport that stores each request in an outbox and sends the outbox in order; an outage stops nothing.

    Parameters
    ----------
    retries : attempts at a request after the first, before the server is left alone for a while.
    timeout : seconds for each.
    """

    def __init__(self, target: RunHandle, uri: str, outbox: RunOutbox, *, retries: int, timeout: float) -> None:
        self.target = target
        self.uri = uri
        self.outbox = outbox
        self.retries = retries
        self.timeout = timeout
        self._outage: str | None = None  # why the server did not take the last request
        self._next_attempt = 0.0
        self._attempted: PendingRequest | None = None

    def put(self, request: TrackingRequest) -> None:
        """Store a request, then send the pending ones.

        Raises
        ------
        InputError : the request can neither be stored nor sent.
        """
        try:
            self.outbox.append(request)
        except OSError as error:
            if self._outage is not None:
                where = f"and no more can be stored in {self.outbox.folder} ({short_reason(error)})"
                raise InputError(
                    f"tracking: {self._outage_message()}, {where}; make room there, and run again"
                ) from error
            DirectTransport(self.target, self.uri).put(request)
            return
        if self._outage is None:
            self.flush(self.retries)
        elif time.monotonic() >= self._next_attempt:
            self.flush(0)

    def flush(self, retries: int) -> bool:
        """Send the pending requests, oldest first; return whether all were sent."""
        for pending in self.outbox.pending():
            if not self._deliver(pending, retries):
                self._next_attempt = time.monotonic() + _PAUSE
                return False
        if self._outage is not None:
            _log.warning("%s answers again; the stored results were sent", redacted(self.uri))
        self._outage = None
        return True

    def _deliver(self, pending: PendingRequest, retries: int) -> bool:
        for attempt in range(1 + retries):
            try:
                with request_limits(retries=0, timeout=self.timeout):
                    send(pending.request(), self.target, pending.files, is_retry=pending == self._attempted)
                pending.remove()
                self._attempted = None
                return True
            except STORE_ERRORS as error:
                self._attempted = pending
                if self._outage is None and attempt == retries:
                    self._outage = short_reason(error)
                    _log.warning(
                        "%s; results are stored in %s, the run continues", self._outage_message(), self.outbox.folder
                    )
                elif attempt < retries:
                    time.sleep(_WAIT * 2**attempt)
        return False

    def _outage_message(self) -> str:
        return f"{redacted(self.uri)} does not take results ({self._outage})"

    def close(self) -> None:
        """Send what is pending and remove the outbox.

        Raises
        ------
        InputError : something was not sent; the message names its folder and the command that sends it.
        """
        if self.flush(self.retries):
            self.outbox.remove()
            return
        self.outbox.release()
        stored = f"the results are stored in {self.outbox.folder}"
        raise InputError(
            f"tracking: {self._outage_message()}; {stored}; once it does, send them with {_sync_command(self.outbox)}"
        )


def _sync_command(outbox: RunOutbox) -> str:
    """Return the command that sends an outbox."""
    parent = outbox.folder.parent
    return SYNC if parent == Path(OUTBOX).absolute() else f"{SYNC} --outbox {shlex.quote(str(parent))}"
