"""What workers tell the process that began the sweep."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli.worker_channel import JobResult, WorkerChannel


@pytest.fixture
def mailbox(tmp_path: Path) -> WorkerChannel:
    made = WorkerChannel()
    made.open(tmp_path / "not" / "there")
    return made


def test_jobs_arrive_once_and_in_their_order(mailbox: WorkerChannel) -> None:
    ends = {number: JobResult(number % 3, f"out {number}\n", "größer — 5\n") for number in (10, 2, 0)}
    for number, ended in ends.items():
        mailbox.begin(number)
        assert mailbox.is_busy
        mailbox.put(number, ended)
    assert not mailbox.is_busy
    assert mailbox.take() == [ends[0], ends[2], ends[10]]
    assert mailbox.take() == []


def test_what_is_half_written_is_not_taken(mailbox: WorkerChannel) -> None:
    assert mailbox.folder is not None
    mailbox.begin(1)
    (mailbox.folder / "1.part").write_text('{"status": 0, "ou')
    assert mailbox.take() == []
    assert mailbox.is_busy


def test_a_sweep_that_was_stopped_or_is_over_begins_nothing(mailbox: WorkerChannel) -> None:
    sent = pickle.loads(pickle.dumps(mailbox))
    assert sent.is_open
    mailbox.stop()
    assert not sent.is_open
    mailbox.close()
    assert not sent.is_open


def test_only_the_process_that_made_it_is_here(mailbox: WorkerChannel) -> None:
    code = "import pickle, sys; print(pickle.loads(sys.stdin.buffer.read()).is_here)"
    there = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(mailbox), capture_output=True, check=True)
    assert (mailbox.is_here, there.stdout.strip()) == (True, b"False")


def test_a_job_elsewhere_without_a_mailbox_is_an_error_and_not_skipped() -> None:
    with pytest.raises(AssertionError, match="not opened"):
        _ = WorkerChannel().is_open
