"""Resend pending requests of runs that lost their server or were killed."""

from __future__ import annotations

from pathlib import Path

from harness.core.exceptions import InputError
from harness.tracking.errors import STORE_ERRORS, short_reason, suggest_fix
from harness.tracking.outbox import CorruptedOutboxError, PendingRequest, RunInfo, RunOutbox, list_outboxes
from harness.tracking.request_limits import request_limits
from harness.tracking.requests import RunHandle, TrackingRequest, end_request, send
from harness.tracking.server_client import client_of
from harness.utils.redaction import redacted

CUT_OFF = "cut off: the process ended without finishing the run"
_RETRIES = 2


def resend_pending(parent: Path, *, uri: str | None, timeout: float) -> tuple[list[str], list[str]]:
    """Send every outbox below ``parent``, oldest first.

    A run whose process was killed ends KILLED, at the time of its last request, with the reason as tag ``failure``.
    What was sent is removed from the outbox; this may be repeated at any time, also after having been killed itself.

    Parameters
    ----------
    uri : server to send to; None for the one that each run was made on.
    timeout : seconds for each request.

    Returns
    -------
    done, unsent : one line for each run that was sent or needs nothing, and for each that could not be sent.
    """
    try:
        ours, others = list_outboxes(parent) if parent.exists() else ([], [])
    except OSError as error:
        return [], [f"{parent} cannot be read ({error.strerror}); expected the folder of an outbox"]
    done, unsent = [f"{folder.name}: no run made this folder; it stays as it is" for folder in others], []
    for outbox in ours:
        try:
            done.append(_send_outbox(outbox, uri, timeout))
        except InputError as error:
            unsent.append(str(error))
        except (CorruptedOutboxError, OSError) as error:
            advice = f"restore it from a copy, or delete {outbox.folder} to give its run up"
            unsent.append(f"{outbox.folder.name} was not sent: {error}; {advice}")
        finally:
            outbox.release()
    return done, unsent


def _send_outbox(outbox: RunOutbox, uri: str | None, timeout: float) -> str:
    try:
        if not outbox.try_lock():
            return f"{outbox.folder.name}: its run is still in progress and sends its results itself"
    except FileNotFoundError:
        return f"{outbox.folder.name}: its run has sent everything meanwhile"
    run, pending = outbox.run, outbox.pending()
    if run is None and pending:
        raise CorruptedOutboxError("run.json, which names the run of these results, is gone")
    line = (
        f"{outbox.folder.name}: nothing was recorded in it"
        if run is None
        else _send_all(outbox, run, pending, uri=uri, timeout=timeout)
    )
    return line if outbox.remove() else f"{line}; {outbox.folder} holds other files, and stays"


def _send_all(
    outbox: RunOutbox, run: RunInfo, pending: list[PendingRequest], *, uri: str | None, timeout: float
) -> str:
    address = uri or run.uri
    try:
        with request_limits(retries=_RETRIES, timeout=timeout):
            target = RunHandle(client_of(address), run.run_id, run.experiment)
            for request in pending:
                _send(request, target)
            status = _end(target, outbox)
    except STORE_ERRORS as error:
        failure = f"{run.name} (run {run.run_id}) was not sent to {redacted(address)} ({short_reason(error)})"
        raise InputError(f"{failure}; {_suggest_fix(error, run)}") from error
    calls = f"{len(pending)} call{'s' * (len(pending) != 1)}"
    return f"{run.name} (run {run.run_id}): {calls} sent to {redacted(address)}, {status}"


def _send(pending: PendingRequest, target: RunHandle) -> None:
    request = pending.request()
    try:
        send(request, target, pending.files, is_retry=True)
    except STORE_ERRORS:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CorruptedOutboxError(
            f"{pending.path} holds no whole request ({type(error).__name__}: {error})"
        ) from error
    pending.remove()


def _end(target: RunHandle, outbox: RunOutbox) -> str:
    """Return the status of the run, after ending it if it is still marked as running: its process has ended."""
    run = target.client.get_run(target.run_id)
    status = str(run.info.status)
    if status == "FINISHED" and "failure" in run.data.tags:  # another command took it for an orphan meanwhile
        target.client.delete_tag(target.run_id, "failure")
    if status != "RUNNING":
        return status
    ended = outbox.last_activity()
    for request in (TrackingRequest("tags", {"failure": CUT_OFF}), end_request("KILLED", time=ended)):
        send(request, target, outbox.folder, is_retry=True)
    return "KILLED (cut off)"


def _suggest_fix(error: BaseException, run: RunInfo) -> str:
    if "not found" in str(error) and run.run_id in str(error):
        return "restore the run there, or delete its folder in the outbox to give it up"
    advice = suggest_fix(error)
    return advice if "MLFLOW_TRACKING" in advice else "start that server, or name its new address with --uri"
