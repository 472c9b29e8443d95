"""Identify a process so that other processes can check whether it still runs."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from pathlib import Path


def this_process() -> list[str]:
    """Return host, pid and start time of this process; a pid may be reused, and is the same in every container."""
    return [socket.gethostname(), str(os.getpid()), start_time(os.getpid()) or ""]


def has_ended(process: Sequence[str]) -> bool:
    """Return whether a process has certainly ended: it ran on this machine, and its pid is free or reused."""
    host, pid, start = process
    return host == socket.gethostname() and start_time(int(pid)) != start


def start_time(pid: int) -> str | None:
    """Return when a process of this machine started, in clock ticks since boot (proc(5)); None if there is none.

    Empty on systems without ``/proc``.
    """
    if not Path("/proc/self/stat").exists():
        return _exists(pid)
    try:
        state, *rest = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state in "ZX" else rest[18]  # a zombie still has a pid


def _exists(pid: int) -> str | None:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return ""
