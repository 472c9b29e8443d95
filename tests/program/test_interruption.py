"""SIGTERM and Ctrl-C at any time: one line, the right status, no helper left, no run that seems to run."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import below, environment, interrupt, start, wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt" or not Path("/proc/self/stat").exists(), reason="looks into /proc"),
]
ENDS = {signal.SIGINT: (130, "harness: interrupted\n"), signal.SIGTERM: (143, "harness: terminated by SIGTERM\n")}
SECONDS = 5.0


def statuses(folder: Path) -> list[str]:
    with sqlite3.connect(folder / "mlruns/mlflow.db") as database:
        return [status for (status,) in database.execute("select status from runs")]


def is_running(folder: Path) -> bool:
    try:
        return "RUNNING" in statuses(folder)
    except sqlite3.OperationalError:
        return False


@pytest.mark.parametrize(("signum", "seconds"), [(signal.SIGINT, 0.4), (signal.SIGTERM, 0.4), (signal.SIGINT, 2.0)])
def test_while_it_imports(signum: signal.Signals, seconds: float, tmp_path: Path) -> None:
    process = start(tmp_path, "harness", "+norm=raw", "data.size=tiny")
    time.sleep(seconds)
    seconds_to_end, err, left = interrupt(process, signum)
    assert (process.returncode, err) == ENDS[signum]
    assert seconds_to_end < SECONDS
    assert left == []


@pytest.mark.parametrize(("signum", "group"), [(signal.SIGINT, True), (signal.SIGTERM, False)])
def test_while_it_evaluates_with_a_helper(signum: signal.Signals, group: bool, folder: Path) -> None:
    process = start(folder, "harness", "+norm=raw", "data.size=small", "figure=[]", "n_resamples=20")
    assert wait_until(lambda: is_running(folder) and len(below(process.pid)) > 0, 90), process.poll()
    seconds_to_end, err, left = interrupt(process, signum, group=group)
    assert (process.returncode, err) == ENDS[signum]
    assert seconds_to_end < SECONDS
    assert left == []
    assert statuses(folder) == ["KILLED"]


@pytest.mark.parametrize("launcher", [(), ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")])
def test_a_sweep(launcher: tuple[str, ...], folder: Path) -> None:
    fast = ("model=[lightgbm]", "baseline=[]", "audit=[]", "figure=[]", "n_resamples=500")
    process = start(folder, "harness", "data.size=small", "-m", "+norm=raw", "seed=range(0,40)", *launcher, *fast)
    assert wait_until(lambda: is_running(folder), 120), process.poll()
    seconds_to_end, err, left = interrupt(process, signal.SIGTERM, group=True)
    assert (process.returncode, err) == ENDS[signal.SIGTERM]
    assert seconds_to_end < SECONDS
    assert left == []
    assert "RUNNING" not in statuses(folder)


STUCK = """
import sys, time
from pathlib import Path
from harness.utils import interruption
from harness.program.run_program import run_program

def command():
    with interruption.before_forced_exit(lambda: Path("last").touch()):
        Path("begun").touch()
        while True:
            try:
                time.sleep(60)
            except KeyboardInterrupt:
                pass  # as a library may do

sys.exit(run_program("harness", lambda: command))
"""


def test_a_process_that_swallows_its_interrupt_is_ended_all_the_same(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", STUCK], cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True
    )
    assert wait_until((tmp_path / "begun").exists, 30)
    seconds_to_end, err, _ = interrupt(process, signal.SIGTERM)
    assert (process.returncode, err) == ENDS[signal.SIGTERM]
    assert seconds_to_end < SECONDS
    assert (tmp_path / "last").exists()


def test_what_was_started_to_ignore_interrupts_ignores_them(tmp_path: Path) -> None:
    """As a background job of a script is; it ends by SIGTERM."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", STUCK], cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True
        )
    finally:
        signal.signal(signal.SIGINT, before)
    assert wait_until((tmp_path / "begun").exists, 30)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert process.poll() is None
    interrupt(process, signal.SIGTERM)
    assert process.returncode == 143
