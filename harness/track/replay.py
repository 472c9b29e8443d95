"""Sends what servers were not told: runs whose process could not, or was killed."""

from __future__ import annotations

from pathlib import Path

from mlflow import MlflowClient

from harness.redact import redacted
from harness.track.calls import Call, Target, end_call, send
from harness.track.journal import Journal, Owner, journals
from harness.track.trouble import TROUBLE, bounded, reason, remedy
from harness.types import InputError

CUT_OFF = "cut off: the process ended without finishing the run"
_RETRIES = 2


def replay(outbox: Path, *, uri: str | None, timeout: float) -> tuple[list[str], list[str]]:
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
    done, left = [], []
    for journal in journals(outbox):
        try:
            if not journal.hold():
                done.append(f"{journal.folder.name}: its run is still going on and sends for itself")
                continue
            done.append(_send_all(journal, uri, timeout))
        except FileNotFoundError:
            done.append(f"{journal.folder.name}: its run has sent everything meanwhile")
        except InputError as error:
            left.append(str(error))
        finally:
            journal.release()
    return done, left


def _send_all(journal: Journal, uri: str | None, timeout: float) -> str:
    owner = journal.owner
    if owner is None:
        journal.remove()
        return f"{journal.folder.name}: nothing was recorded in it"
    address, entries = uri or owner.uri, journal.waiting()
    try:
        with bounded(retries=_RETRIES, timeout=timeout):
            client = MlflowClient(tracking_uri=address)
            target = Target(client, owner.run_id, owner.experiment)
            for entry in entries:
                send(entry.call(), target, entry.files, again=True)
                entry.drop()
            status = _settled(target, journal)
    except TROUBLE as error:
        what = f"{owner.name} (run {owner.run_id}) was not sent to {redacted(address)} ({reason(error)})"
        raise InputError(f"{what}; {_remedy(error, owner)}") from error
    journal.remove()
    calls = f"{len(entries)} call{'s' * (len(entries) != 1)}"
    return f"{owner.name} (run {owner.run_id}): {calls} sent to {redacted(address)}, {status}"


def _settled(target: Target, journal: Journal) -> str:
    """The status of the run, which is never left as running: nobody is there to end it."""
    run = target.client.get_run(target.run_id)
    status = str(run.info.status)
    if status == "FINISHED" and "failure" in run.data.tags:  # it was taken for lost meanwhile
        target.client.delete_tag(target.run_id, "failure")
    if status != "RUNNING":
        return status
    ended = journal.last_sign()
    for call in (Call("tags", {"failure": CUT_OFF}), end_call("KILLED", time=ended)):
        send(call, target, journal.folder, again=True)
    return "KILLED (cut off)"


def _remedy(error: BaseException, owner: Owner) -> str:
    if "not found" in str(error) and owner.run_id in str(error):
        return "restore the run there, or delete its folder in the outbox to give it up"
    advice = remedy(error)
    return advice if "MLFLOW_TRACKING" in advice else "start that server, or name its new address with --uri"
