"""The channel through which workers report to the process that launched the sweep."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli.sweep_counts import format_counts
from harness.cli.worker_channel import JobResult, WorkerChannel


@pytest.fixture
def channel(tmp_path: Path) -> WorkerChannel:
    opened = WorkerChannel()
    opened.open(tmp_path / "not" / "there")
    return opened


def test_results_arrive_once_and_in_the_order_of_the_jobs(channel: WorkerChannel) -> None:
    results = {number: JobResult(number % 3, "new", f"out {number}\n", "größer — 5\n") for number in (10, 2, 0)}
    for number, result in results.items():
        channel.start_job(number)
        assert channel.has_running_jobs
        channel.send(number, result)
    assert not channel.has_running_jobs
    assert channel.receive() == [results[0], results[2], results[10]]
    assert channel.receive() == []


def test_a_half_written_result_is_not_received(channel: WorkerChannel) -> None:
    assert channel.folder is not None
    channel.start_job(1)
    (channel.folder / "1.running").write_text('{"status": 0, "ou')
    assert channel.receive() == []
    assert channel.has_running_jobs
    channel.close()
    assert not channel.folder.exists()


def test_a_job_that_starts_again_after_its_worker_was_killed_reports_once(channel: WorkerChannel) -> None:
    for _ in range(2):
        channel.start_job(1)
    channel.send(1, JobResult(0, "new"))
    assert channel.receive() == [JobResult(0, "new")]
    assert not channel.has_running_jobs


def test_a_sweep_that_was_stopped_or_is_over_starts_nothing(channel: WorkerChannel) -> None:
    sent = pickle.loads(pickle.dumps(channel))
    assert sent.is_open
    channel.stop()
    assert not sent.is_open
    channel.close()
    assert not sent.is_open


def test_only_the_process_that_made_it_is_local(channel: WorkerChannel) -> None:
    code = "import pickle, sys; print(pickle.loads(sys.stdin.buffer.read()).is_local)"
    other = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(channel), capture_output=True, check=True)
    assert (channel.is_local, other.stdout.strip()) == (True, b"False")


def test_a_job_elsewhere_without_a_channel_is_an_error_and_not_skipped() -> None:
    with pytest.raises(AssertionError, match="not opened"):
        _ = WorkerChannel().is_open


def test_outcomes_are_counted_in_one_line() -> None:
    outcomes = ["new", *["skipped"] * 5, "re-run"]
    assert format_counts(outcomes) == "7 evaluations: 1 new, 1 re-run, 5 skipped, 0 failed"
