"""Sends what servers were not told: runs whose process could not, or was killed."""

from __future__ import annotations

from pathlib import Path

from harness.core.exceptions import InputError
from harness.tracking.errors import STORE_ERRORS, request_limits, short_reason, suggest_fix
from harness.tracking.outbox import CorruptedOutboxError, PendingRequest, RunInfo, RunOutbox, outboxes
from harness.tracking.requests import RunHandle, TrackingRequest, end_call, send
from harness.tracking.server_client import client_of
from harness.utils.redaction import redacted

CUT_OFF = "cut off: the process ended without finishing the run"
_RETRIES = 2


def resend_pending(outbox: Path, *, uri: str | None, timeout: float) -> tuple[list[str], list[str]]:
    """Send every journal below ``outbox``, oldest first.

    A run whose process was killed ends KILLED, at the time of its last call, with the reason as tag ``failure``.
    Whatever is sent leaves the outbox; this may be repeated at any time, also after having been killed itself.

    Parameters
    ----------
    uri : server to send to; None for the one that each run was made on.
    timeout : seconds for each call.

    Returns
    -------
    done, left : one line for each run that was sent or needs nothing, and for each that could not be sent.
    """
    try:
        ours, others = outboxes(outbox) if outbox.exists() else ([], [])
    except OSError as error:
        return [], [f"{outbox} cannot be read ({error.strerror}); expected the folder of an outbox"]
    done, left = [f"{folder.name}: no run made this folder; it stays as it is" for folder in others], []
    for journal in ours:
        try:
            done.append(_send_journal(journal, uri, timeout))
        except InputError as error:
            left.append(str(error))
        except (CorruptedOutboxError, OSError) as error:
            advice = f"restore it from a copy, or delete {journal.folder} to give its run up"
            left.append(f"{journal.folder.name} was not sent: {error}; {advice}")
        finally:
            journal.release()
    return done, left


def _send_journal(journal: RunOutbox, uri: str | None, timeout: float) -> str:
    try:
        if not journal.hold():
            return f"{journal.folder.name}: its run is still going on and sends for itself"
    except FileNotFoundError:
        return f"{journal.folder.name}: its run has sent everything meanwhile"
    owner, entries = journal.owner, journal.waiting()
    if owner is None and entries:
        raise CorruptedOutboxError("run.json, which says whose calls these are, is gone")
    line = (
        f"{journal.folder.name}: nothing was recorded in it"
        if owner is None
        else _send_all(journal, owner, entries, uri=uri, timeout=timeout)
    )
    return line if journal.remove() else f"{line}; {journal.folder} holds other files, and stays"


def _send_all(
    journal: RunOutbox, owner: RunInfo, entries: list[PendingRequest], *, uri: str | None, timeout: float
) -> str:
    address = uri or owner.uri
    try:
        with request_limits(retries=_RETRIES, timeout=timeout):
            target = RunHandle(client_of(address), owner.run_id, owner.experiment)
            for entry in entries:
                _send_entry(entry, target)
            status = _settled(target, journal)
    except STORE_ERRORS as error:
        what = f"{owner.name} (run {owner.run_id}) was not sent to {redacted(address)} ({short_reason(error)})"
        raise InputError(f"{what}; {_remedy(error, owner)}") from error
    calls = f"{len(entries)} call{'s' * (len(entries) != 1)}"
    return f"{owner.name} (run {owner.run_id}): {calls} sent to {redacted(address)}, {status}"


def _send_entry(entry: PendingRequest, target: RunHandle) -> None:
    call = entry.call()
    try:
        send(call, target, entry.files, again=True)
    except STORE_ERRORS:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CorruptedOutboxError(f"{entry.path} holds no whole call ({type(error).__name__}: {error})") from error
    entry.drop()


def _settled(target: RunHandle, journal: RunOutbox) -> str:
    """Return the status of the run, which is never left as running: nobody is there to end it."""
    run = target.client.get_run(target.run_id)
    status = str(run.info.status)
    if status == "FINISHED" and "failure" in run.data.tags:  # it was taken for lost meanwhile
        target.client.delete_tag(target.run_id, "failure")
    if status != "RUNNING":
        return status
    ended = journal.last_sign()
    for call in (TrackingRequest("tags", {"failure": CUT_OFF}), end_call("KILLED", time=ended)):
        send(call, target, journal.folder, again=True)
    return "KILLED (cut off)"


def _remedy(error: BaseException, owner: RunInfo) -> str:
    if "not found" in str(error) and owner.run_id in str(error):
        return "restore the run there, or delete its folder in the outbox to give it up"
    advice = suggest_fix(error)
    return advice if "MLFLOW_TRACKING" in advice else "start that server, or name its new address with --uri"
