"""Damaged journals, servers that drip, full disks and locked databases: one line each, in time, and nothing is lost."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from command import SMALL, run_command, run_compare
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from strangers import no_hang

from harness.core.exceptions import InputError
from harness.run.checkpoint.checkpoint import prepare_folder
from harness.sync import main as sync
from harness.tracking import database
from harness.tracking.outbox import RunInfo, RunOutbox
from harness.tracking.request_limits import request_limits
from harness.tracking.requests import RunHandle, TrackingRequest
from harness.tracking.server_client import call_within, with_retries
from harness.tracking.tracking import Tracking
from harness.tracking.transport import BufferedTransport, DirectTransport
from harness.tuning.engine.storage import open_storage

pytestmark = pytest.mark.slow

QUICK = ("+norm=raw", *SMALL)


@pytest.fixture(autouse=True)
def _in_time() -> Iterator[None]:
    with no_hang(120):
        yield


@pytest.fixture
def journal(folder: Path) -> Callable[[str], RunOutbox]:
    """``journal(name)``: of a run that the local database stands for, with two calls that were not sent."""
    uri = f"sqlite:///{folder}/mlruns/mlflow.db"

    def make(name: str) -> RunOutbox:
        run = MlflowClient(uri).create_run("0", run_name=name)
        journal = RunOutbox.begin(folder / "mlruns/outbox")
        journal.set_run(RunInfo(uri, "0", run.info.run_id, name))
        journal.append(TrackingRequest("tags", {"a": name}))
        journal.append(TrackingRequest("files", files={"note.txt": name.encode()}))
        journal.release()
        return journal

    return make


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def _unknown_kind(path: Path) -> None:
    path.write_text(json.dumps({"kind": "dance", "values": {}}))


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _write(text: str) -> Callable[[Path], None]:
    return lambda path: (path.write_text(text), None)[1]


@pytest.mark.parametrize("file", ["run.json", "000001/call.json", "000002/call.json"])
@pytest.mark.parametrize(
    "spoil",
    [_cut, _unknown_kind, _pipe, Path.unlink, _write(""), _write("[]"), _write('{"kind": "metrics", "values": {}}')],
    ids=["cut", "kind", "pipe", "gone", "empty", "list", "no values"],
)
def test_a_damaged_journal_keeps_no_other_from_being_sent(
    spoil: Callable[[Path], None],
    file: str,
    folder: Path,
    journal: Callable[[str], RunOutbox],
    capsys: pytest.CaptureFixture[str],
) -> None:
    first, damaged, last = (journal(name) for name in ("first", "damaged", "last"))
    spoil(damaged.folder / file)
    assert sync(["--folder", str(folder / "mlruns")]) == 2
    said = capsys.readouterr()
    (line,) = said.err.splitlines()
    assert line.startswith(f"harness.sync: {damaged.folder.name} was not sent: ")
    assert line.endswith(f"restore it from a copy, or delete {damaged.folder} to give its run up")
    assert [name in said.out for name in ("first (run", "last (run", "damaged (run")] == [True, True, False]
    assert [path.exists() for path in (first.folder, damaged.folder, last.folder)] == [False, True, False]
    assert len(list(damaged.folder.glob("00000*"))) == (1 if file.startswith("000002") else 2)


def test_what_a_run_says_of_its_outbox_is_what_sync_takes(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    uri = f"sqlite:///{folder}/mlruns/mlflow.db"
    client = MlflowClient(uri)
    target = RunHandle(client, client.create_run("0", run_name="r").info.run_id, "0")

    def down(*_: Any, **__: Any) -> None:
        raise MlflowException("Connection refused")

    commands = []
    for outbox in ("mlruns/outbox", "my pending"):
        journal = RunOutbox.begin(Path(outbox))
        journal.set_run(RunInfo(uri, "0", target.run_id, "r"))
        kept = BufferedTransport(target, uri, journal, retries=0, timeout=1)
        with monkeypatch.context() as patch:
            patch.setattr("harness.tracking.transport.send", down)
            kept.put(TrackingRequest("tags", {"a": outbox}))
            with pytest.raises(InputError) as raised:
                kept.close()
        commands.append(str(raised.value).partition("send them with ")[2])
    assert commands == ["python -m harness.sync", f"python -m harness.sync --outbox '{folder}/my pending'"]
    assert sync([]) == 0
    assert sync([]) == 0
    assert "add --outbox FOLDER" in capsys.readouterr().out
    assert sync(["--outbox", f"{folder}/my pending"]) == 0
    assert client.get_run(target.run_id).data.tags["a"] == "my pending"


@pytest.mark.parametrize("words", [["--outbox", "nowhere"], ["--timeout", "0"]])
def test_sync_refuses_what_it_cannot_do(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert sync(words) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.fixture
def drip() -> Iterator[str]:
    """Address of a server on loopback that answers with one byte each 0.2 seconds, without end."""
    over = threading.Event()

    def serve(connection: socket.socket) -> None:
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{")
            while not over.wait(0.2):
                try:
                    connection.sendall(b" ")
                except OSError:
                    return

    def listen() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=listen, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        over.set()
        server.shutdown(socket.SHUT_RDWR)


def test_a_server_that_drips_is_given_up_in_the_time_that_was_set(drip: str, tmp_path: Path) -> None:
    store = Tracking(uri=drip, outbox=str(tmp_path / "outbox"), retries=2, timeout=1)
    start = time.monotonic()
    with pytest.raises(InputError, match=rf"^tracking: {drip} cannot be used \(no answer in time\); look whether"):
        store.experiment_id(store.open())
    assert time.monotonic() - start < 5


def test_sync_and_compare_give_a_dripping_server_up(
    drip: str, folder: Path, journal: Callable[[str], RunOutbox], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    made = journal("r")
    start = time.monotonic()
    assert sync(["--folder", str(folder / "mlruns"), "--uri", drip, "--timeout", "1"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "was not sent" in line
    assert "no answer in time" in line
    assert len(made.pending()) == 2
    monkeypatch.setattr("harness.tracking.server_client.limits", lambda: (0, 0.5))
    compared = run_compare(folder, "toy", "--uri", drip)
    assert compared.status == 2
    assert "no answer in time" in compared.line
    assert time.monotonic() - start < 20


def test_a_call_that_is_over_in_time_is_as_without_limits() -> None:
    assert call_within(5, lambda: 3) == 3
    with pytest.raises(KeyError, match="x"):
        call_within(5, lambda: {}["x"])
    with pytest.raises(TimeoutError):
        call_within(0.05, lambda: time.sleep(1))


def test_only_a_server_that_was_not_reached_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.tracking.server_client._WAIT", 0.0)
    asked: list[str] = []

    def answer(text: str) -> None:
        asked.append(text)
        raise MlflowException(text)

    with request_limits(retries=2, timeout=5):
        for text in ("API request to http://x failed with exception refused", "RESOURCE_DOES_NOT_EXIST"):
            with pytest.raises(MlflowException):
                with_retries(lambda text=text: answer(text))  # type: ignore[misc]
        with pytest.raises(TimeoutError):
            with_retries(lambda: (asked.append("slow"), time.sleep(20)), n_bytes=-250_000)
    assert [text.partition(" ")[0] for text in asked] == ["API", "API", "API", "RESOURCE_DOES_NOT_EXIST", "slow"]


def test_variables_of_mlflow_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "300")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    from harness.tracking.request_limits import limits

    with request_limits(retries=5, timeout=2):
        assert limits() == (0, 604)
        assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "300"


def test_a_full_folder_for_temporary_files_is_called_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = MlflowClient(f"sqlite:///{folder}/mlruns/mlflow.db")
    target = RunHandle(client, client.create_run("0").info.run_id, "0")

    def full(*_: Any, **__: Any) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "mkdtemp", full)
    with pytest.raises(InputError, match=r"^temporary files: .*No space left on device.*TMPDIR") as raised:
        DirectTransport(target, "sqlite:///mlruns/mlflow.db").put(TrackingRequest("files", files={"x": b"1"}))
    assert "tracking.uri" not in str(raised.value)
    outcome = run_command(folder, *QUICK)
    assert outcome.status == 2
    assert "TMPDIR" in outcome.line


def test_a_database_that_another_process_holds_is_called_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(database, "_SOON", 0.1)
    monkeypatch.setattr(database, "_PATIENCE", 0.2)
    path = folder / "mlruns/mlflow.db"
    store = Tracking(uri=f"sqlite:///{path}", experiment="toy")
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(InputError, match=r"\(another process holds it locked\); wait for that process, or end it"):
        store.open()
    assert "waiting for another process" in caplog.text
    holder.execute("ROLLBACK")
    holder.close()
    store.experiment_id(store.open())


def test_studies_that_another_process_holds_are_called_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.tuning.engine.storage._PATIENCE", 0.2)
    path = tmp_path / "optuna.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE studies (x INTEGER)")
    connection.execute("BEGIN EXCLUSIVE")
    with pytest.raises(InputError, match=r"^tuning.storage=.*\(another process holds it locked\); wait"):
        open_storage(f"sqlite:///{path}")
    connection.close()


@pytest.mark.parametrize("units", ["a file", "/dev/null/x", "a\0b"])
def test_units_that_cannot_be_made_are_one_line(units: str, tmp_path: Path) -> None:
    (tmp_path / "a file").write_text("mine")
    with pytest.raises(InputError, match=r"^units: .*cannot be written .*set units=FOLDER") as raised:
        prepare_folder(tmp_path / units)
    assert "\n" not in str(raised.value)
    assert (tmp_path / "a file").read_text() == "mine"


def test_units_that_cannot_be_written_are_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    really_open = os.open

    def refuse(path: Any, *arguments: Any, **named: Any) -> int:
        if "units" in str(path):
            raise PermissionError(13, "Permission denied", str(path))
        return really_open(path, *arguments, **named)

    monkeypatch.setattr(os, "open", refuse)
    outcome = run_command(folder, *QUICK)
    assert outcome.status == 2
    assert "units: mlruns/units cannot be written (Permission denied); make room, or set units=FOLDER" in outcome.line


@pytest.mark.parametrize("outbox", ["a file", "/dev/null/x"])
def test_an_outbox_that_cannot_be_made_is_called_so(outbox: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "a file").write_text("mine")
    store = Tracking(uri=f"sqlite:///{folder}/mlruns/mlflow.db", experiment="toy", outbox=str(folder / outbox))
    monkeypatch.setattr(Tracking, "local", False)
    with pytest.raises(InputError, match=r"^tracking.outbox=.*: cannot be written .*; set it to another folder"):
        store._begin("r", {})
    assert (folder / "a file").read_text() == "mine"
