"""Locks between processes: held by one at a time, released when it ends, refused where there can be none."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from places import ROOT

from harness.core.exceptions import InputError
from harness.utils.file_lock import acquire_now, exclusive_lock, is_in_use, mark_in_use, try_exclusive_lock

HOLD = """
import sys, time
from pathlib import Path
from harness.utils.file_lock import exclusive_lock
with exclusive_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""
COUNT = """
import sys, time
from pathlib import Path
from harness.utils.file_lock import exclusive_lock
number = Path(sys.argv[1])
for _ in range(20):
    with exclusive_lock(number.with_name("x.lock")):
        n = int(number.read_text())
        time.sleep(0.001)
        number.write_text(str(n + 1))
"""
WITH_LOCKS = pytest.mark.skipif(os.name == "nt", reason="needs locks of POSIX")


def start(code: str, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *words], text=True, stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


@contextmanager
def holder(lock_file: Path, seconds: float = 60) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock."""
    with start(HOLD, str(lock_file), str(seconds)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_one_process_at_a_time_and_nothing_is_left(tmp_path: Path) -> None:
    number = tmp_path / "number"
    number.write_text("0")
    processes = [start(COUNT, str(number)) for _ in range(3)]
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert number.read_text() == "60"
    assert list(tmp_path.iterdir()) == [number]


def test_one_thread_at_a_time(tmp_path: Path) -> None:
    inside: list[int] = []
    most: list[int] = []

    def work() -> None:
        for _ in range(10):
            with exclusive_lock(tmp_path / "x.lock"):
                inside.append(1)
                most.append(len(inside))
                time.sleep(0.001)
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert most == [1] * 30


@WITH_LOCKS
def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    lock_file = tmp_path / "x.lock"
    with holder(lock_file) as process:
        assert acquire_now(lock_file) is None
        with try_exclusive_lock(lock_file) as is_held:
            assert not is_held
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        assert lock_file.exists()
        with exclusive_lock(lock_file, on_wait=lambda: pytest.fail("nobody holds it")):
            pass
    assert not lock_file.exists()


def test_a_process_that_waits_reports_it_once(tmp_path: Path) -> None:
    waits: list[str] = []
    with holder(tmp_path / "x.lock", 0.5), exclusive_lock(tmp_path / "x.lock", on_wait=lambda: waits.append("waits")):
        assert waits == ["waits"]
    with (
        holder(tmp_path / "x.lock", 0.2),
        exclusive_lock(tmp_path / "x.lock", on_wait=lambda: waits.append("again"), patience=30),
    ):
        assert waits == ["waits"]


def test_a_lock_that_is_kept_leaves_its_file(tmp_path: Path) -> None:
    lock = acquire_now(tmp_path / "lock")
    assert lock is not None
    assert acquire_now(tmp_path / "lock") is None
    lock.release()
    assert (tmp_path / "lock").exists()
    with try_exclusive_lock(tmp_path / "lock") as is_held:
        assert is_held


def test_a_folder_that_is_gone_is_not_made_again(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        acquire_now(tmp_path / "removed/lock")
    assert list(tmp_path.iterdir()) == []


@WITH_LOCKS
@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_one_line(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    import fcntl

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    (tmp_path / "features.npy").touch()
    with (
        pytest.raises(InputError, match=r"this file system has no file locks \(.*\); choose a folder on a local disk"),
        exclusive_lock(tmp_path / "x.lock"),
    ):
        pytest.fail("no lock can be held")
    with try_exclusive_lock(tmp_path / "x.lock") as is_held:
        assert not is_held
    with (tmp_path / "features.npy").open() as file, pytest.raises(InputError, match="has no file locks"):
        mark_in_use(file.fileno(), tmp_path / "features.npy")
    assert not recwarn.list


@WITH_LOCKS
def test_a_file_is_in_use_until_the_last_user_closes_it(tmp_path: Path) -> None:
    path = tmp_path / "features.npy"
    path.touch()
    assert not is_in_use(path)
    with path.open() as one:
        mark_in_use(one.fileno(), path)
        with path.open() as other:
            mark_in_use(other.fileno(), path)
        assert is_in_use(path)
    assert not is_in_use(path)
