"""Commands as processes, and the processes that they start."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from places import ROOT


def environment(**variables: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), **variables}


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    """``python -m WORDS`` in a session of its own, as from a terminal."""
    return subprocess.Popen(
        [sys.executable, "-m", *words],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def below(pid: int) -> list[int]:
    """Living processes that a process started, and those that they did."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state != "Z" and int(parent) == pid:
            child = int(path.parent.name)
            found += [child, *below(child)]
    return found


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until(what: Callable[[], bool], seconds: float) -> bool:
    until = time.monotonic() + seconds
    while not what():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def interrupt(process: subprocess.Popen[str], signum: int, *, group: bool = False) -> tuple[float, str, list[int]]:
    """Seconds until the process ended, its stderr, and those of its children that still live a second later."""
    children = below(process.pid)
    begin = time.monotonic()
    (os.killpg if group else os.kill)(process.pid, signum)
    try:
        _, err = process.communicate(timeout=30)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    seconds = time.monotonic() - begin
    wait_until(lambda: not any(map(is_alive, children)), 2)
    return seconds, err, [pid for pid in children if is_alive(pid)]
