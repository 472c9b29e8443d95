"""Processes that want the same entry, or end while they make it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from places import ROOT

pytestmark = pytest.mark.slow

PACK = """
import os, sys, time
from pathlib import Path
from harness.data.demo import Demo
from harness.store.store import load

class Slow(Demo):
    def plates(self):
        with Path("packed.log").open("a") as log:
            print(os.getpid(), file=log)
        for plate in super().plates():
            time.sleep(float(sys.argv[1]))
            yield plate

profiles = load(Slow(size="tiny"), Path("store"))
print(profiles.fingerprint, float(profiles.X[:].sum(dtype="float64")))
"""


def start(folder: Path, seconds_per_plate: float) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PACK, str(seconds_per_plate)], cwd=folder, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def answers(*processes: subprocess.Popen[str]) -> list[tuple[int, str]]:
    """Status and output; nothing else may be said than that one waits."""
    answered = []
    for process in processes:
        out, err = process.communicate(timeout=120)
        assert [line for line in err.splitlines() if not line.startswith("waiting for another process")] == []
        answered.append((process.returncode, out.strip()))
    return answered


def packings(folder: Path) -> int:
    return len((folder / "packed.log").read_text().splitlines())


@pytest.mark.skipif(os.name == "nt", reason="needs locks that end with their process")
def test_two_processes_that_want_the_same_screen_pack_it_once(tmp_path: Path) -> None:
    one, other = answers(start(tmp_path, 0.3), start(tmp_path, 0.3))
    assert one == other
    assert one[0] == 0
    assert packings(tmp_path) == 1


@pytest.mark.skipif(os.name == "nt", reason="needs locks that end with their process")
def test_killed_while_packing(tmp_path: Path) -> None:
    killed = start(tmp_path, 0.3)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("store/.*.part/features.npy")):
        assert time.monotonic() < deadline
        assert killed.poll() is None
        time.sleep(0.01)
    waiting = start(tmp_path, 0)
    time.sleep(0.5)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    (next_one,) = answers(waiting)
    assert next_one[0] == 0
    (later,) = answers(start(tmp_path, 0))
    assert later == next_one
    assert packings(tmp_path) == 2
    assert not list(tmp_path.glob("store/.*"))
    for pipe in (killed.stdout, killed.stderr):
        assert pipe is not None
        pipe.close()
