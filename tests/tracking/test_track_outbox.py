"""The outbox without a server: a local database stands for it, and fails when it is told to."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from harness.core.exceptions import InputError
from harness.sync import main as sync
from harness.tracking import resend, transport
from harness.tracking.outbox import RunInfo, RunOutbox
from harness.tracking.requests import RunHandle, TrackingRequest, end_request, params_request, write_files
from harness.tracking.requests import send as really_send
from harness.tracking.tracking import Tracking
from harness.tracking.transport import BufferedTransport, DirectTransport
from harness.utils.redaction import without_account

pytestmark = pytest.mark.slow


class Line:
    """The way to the server: ``down`` for as long as it is set; a call that is ``torn`` arrives without an answer."""

    def __init__(self) -> None:
        self.down = False
        self.torn = False
        self.sent: list[str] = []

    def send(self, call: TrackingRequest, target: RunHandle, folder: Path, *, is_retry: bool) -> None:
        if self.down:
            raise MlflowException("API request to http://lab:secret@host failed with exception Connection refused")
        really_send(call, target, folder, is_retry=is_retry)
        self.sent.append(call.kind)
        if self.torn:
            raise MlflowException("failed with timeout")


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Line:
    line = Line()
    monkeypatch.setattr(transport, "send", line.send)
    monkeypatch.setattr(resend, "send", line.send)
    monkeypatch.setattr(transport, "_WAIT", 0.0)
    return line


@pytest.fixture
def uri(folder: Path) -> str:
    return f"sqlite:///{folder}/mlruns/mlflow.db"


@pytest.fixture
def buffered(folder: Path, uri: str) -> Callable[..., BufferedTransport]:
    """A run that keeps its calls."""

    def make(retries: int = 0) -> BufferedTransport:
        client = MlflowClient(uri)
        target = RunHandle(client, client.create_run("0", run_name="r").info.run_id, "0")
        journal = RunOutbox.begin(folder / "outbox")
        journal.set_run(RunInfo(uri, "0", target.run_id, "r"))
        return BufferedTransport(target, "http://lab:secret@host", journal, retries=retries, timeout=1)

    return make


def metric(key: str, value: float) -> TrackingRequest:
    return TrackingRequest("metrics", {"time": 1000, "metrics": [[key, value, 0]]})


def waiting(transport: BufferedTransport) -> list[str]:
    return [entry.request().kind for entry in transport.outbox.pending()]


def test_what_is_sent_leaves_the_outbox_and_the_outbox_leaves_with_the_run(
    buffered: Callable[..., BufferedTransport], line: Line, folder: Path
) -> None:
    run = buffered()
    run.put(params_request({"a": 1}))
    run.put(TrackingRequest("files", files={"tables/x.parquet": b"\x00\xff"}))
    assert waiting(run) == []
    assert line.sent == ["params", "files"]
    run.put(end_request("FINISHED", time=5000))
    run.close()
    assert list((folder / "outbox").iterdir()) == []
    assert run.target.client.get_run(run.target.run_id).info.end_time == 5000


def test_calls_wait_in_order_and_are_sent_when_the_server_answers_again(
    buffered: Callable[..., BufferedTransport],
    line: Line,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    run = buffered()
    line.down = True
    run.put(metric("a", 1 / 3))
    run.put(TrackingRequest("tags", {"verdict": "keep"}))
    line.down = False
    run.put(metric("b", 2.0))
    assert waiting(run) == ["metrics", "tags", "metrics"]  # it is left alone for a while
    monkeypatch.setattr(transport, "_PAUSE", 0.0)
    run._next_attempt = 0.0
    run.put(metric("c", 3.0))
    assert line.sent == ["metrics", "tags", "metrics", "metrics"]
    assert run.target.client.get_run(run.target.run_id).data.metrics == {"a": 1 / 3, "b": 2.0, "c": 3.0}
    said = [record.getMessage() for record in caplog.records]
    assert said[0].startswith("http://lab:***@host does not take results (connection refused); results are stored in ")
    assert said[1:] == ["http://lab:***@host answers again; the stored results were sent"]


@pytest.mark.parametrize(("retries", "attempts"), [(0, 1), (2, 3)])
def test_a_call_is_tried_so_many_times(
    retries: int, attempts: int, buffered: Callable[..., BufferedTransport], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[bool] = []

    def refuse(call: TrackingRequest, target: RunHandle, folder: Path, *, is_retry: bool) -> None:  # noqa: ARG001
        tried.append(is_retry)
        raise MlflowException("no")

    monkeypatch.setattr(transport, "send", refuse)
    monkeypatch.setattr(transport, "_WAIT", 0.0)
    run = buffered(retries)
    run.put(metric("a", 1.0))
    assert tried == [False, *[True] * retries]
    assert len(tried) == attempts
    run.put(metric("b", 1.0))
    assert len(tried) == attempts


def test_a_run_that_could_not_send_says_where_its_results_are_and_sync_sends_them(
    buffered: Callable[..., BufferedTransport], line: Line, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = buffered()
    run.put(metric("a", 1.0))
    line.down = True
    run.put(TrackingRequest("files", files={"tables/x.parquet": b"\x00\xff", "ü.txt": b"u"}))
    run.put(end_request("FINISHED", time=5000))
    with pytest.raises(InputError, match=r"stored in \S+/outbox/\S+; once it does, send them with python -m") as raised:
        run.close()
    assert "secret" not in str(raised.value)
    assert "\n" not in str(raised.value)
    assert sync(["--folder", str(folder)]) == 2
    assert capsys.readouterr().err.startswith(f"harness.sync: r (run {run.target.run_id}) was not sent to ")
    line.down = False
    client = run.target.client
    client.set_tag(run.target.run_id, "failure", "cut off")  # by one that took the run for lost
    assert sync(["--folder", str(folder)]) == 0
    assert capsys.readouterr().out.endswith(": 2 calls sent to sqlite:///" + f"{folder}/mlruns/mlflow.db, FINISHED\n")
    stored = client.get_run(run.target.run_id)
    assert (stored.info.status, stored.info.end_time) == ("FINISHED", 5000)
    assert "failure" not in stored.data.tags
    assert Path(client.download_artifacts(run.target.run_id, "tables/x.parquet")).read_bytes() == b"\x00\xff"
    assert sync(["--folder", str(folder)]) == 0
    assert capsys.readouterr().out.startswith("Nothing is left to send")


def test_a_call_that_arrived_without_an_answer_is_not_doubled(
    buffered: Callable[..., BufferedTransport], line: Line, folder: Path
) -> None:
    run = buffered()
    trial: dict[str, Any] = {"title": "m b1 trial 0", "tags": {"fold": "it's"}, "start": 1, "end": 2}
    trial |= {"metrics": {"tuning/auroc": 0.5}, "params": {"C": "1"}}
    line.torn = True
    for call in (
        TrackingRequest("trial", trial),
        metric("a", 1.0),
        TrackingRequest("input", {"name": "d", "fingerprint": "f" * 50}),
    ):
        run.put(call)
    run.outbox.release()
    line.torn = False
    assert sync(["--folder", str(folder)]) == 0
    assert line.sent.count("trial") == 2
    client = run.target.client
    children = client.search_runs(["0"], f"tags.`mlflow.parentRunId` = '{run.target.run_id}'")
    assert [(child.data.metrics, child.info.end_time) for child in children] == [({"tuning/auroc": 0.5}, 2)]
    assert len(client.get_metric_history(run.target.run_id, "a")) == 1
    assert len(client.get_run(run.target.run_id).inputs.dataset_inputs) == 1


def test_a_run_whose_process_is_gone_ends_killed_at_its_last_sign(
    buffered: Callable[..., BufferedTransport], line: Line, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = buffered()
    line.down = True
    run.put(metric("a", 1.0))
    line.down = False
    assert sync(["--folder", str(folder)]) == 0
    assert "is still in progress" in capsys.readouterr().out
    assert waiting(run) == ["metrics"]
    last = run.outbox.last_activity()
    run.outbox.release()  # as the end of a process does
    assert sync(["--folder", str(folder)]) == 0
    stored = run.target.client.get_run(run.target.run_id)
    assert (stored.info.status, stored.info.end_time, stored.data.metrics) == ("KILLED", last, {"a": 1.0})
    assert stored.data.tags["failure"].startswith("cut off")


def test_a_process_that_ended_before_its_run_was_made_leaves_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    RunOutbox.begin(folder / "outbox").release()
    assert sync(["--folder", str(folder)]) == 0
    assert "nothing was recorded" in capsys.readouterr().out
    assert list((folder / "outbox").iterdir()) == []


def test_a_call_is_kept_as_a_whole_or_not_at_all(
    buffered: Callable[..., BufferedTransport], line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk: what is kept stays whole; the server is told directly, and where it cannot be either, it is said."""
    run = buffered()
    line.down = True
    run.put(metric("a", 1.0))

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("harness.tracking.outbox.json.dumps", full)
        with pytest.raises(InputError, match=r"connection refused.*No space left on device.*make room there"):
            run.put(TrackingRequest("files", files={"x": b"1"}))
        assert [path.name for path in run.outbox.folder.iterdir() if path.is_dir()] == ["000001"]
        line.down = False
        assert run.flush(0)
        run.put(TrackingRequest("files", files={"x": b"1"}))
    client = run.target.client
    assert [file.path for file in client.list_artifacts(run.target.run_id)] == ["x"]
    run.close()


def test_no_artifact_is_written_outside_of_its_run(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("../out", "/tmp/out", "a/../../out"):
        with pytest.raises(ValueError, match="outside of its run"):
            write_files({name: b"x"}, tmp_path / "in")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_a_journal_holds_no_account(tmp_path: Path) -> None:
    journal = RunOutbox.begin(tmp_path / "outbox")
    journal.set_run(RunInfo(without_account("https://lab:s3c@r3t@host:5000/mlflow"), "0", "x", "r"))
    assert json.loads((journal.folder / "run.json").read_text())["uri"] == "https://host:5000/mlflow"


def test_a_local_store_that_fails_in_mid_run_is_one_line(
    buffered: Callable[..., BufferedTransport], line: Line, uri: str
) -> None:
    line.down = True
    with pytest.raises(InputError, match="cannot be written") as raised:
        DirectTransport(buffered().target, uri).put(metric("a", 1.0))
    assert "\n" not in str(raised.value)


def test_a_server_that_accepts_and_never_answers_is_not_waited_for(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        tracking = Tracking(uri=uri, outbox=str(tmp_path / "outbox"), retries=0, timeout=1)
        start = time.monotonic()
        with pytest.raises(InputError, match=rf"{uri} cannot be used \(no answer in time\)"):
            tracking.experiment_id(tracking.open())
    assert time.monotonic() - start < 30
