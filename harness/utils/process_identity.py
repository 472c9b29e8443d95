"""Which process something belongs to, told so that others can see whether it still runs."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from pathlib import Path


def this_process() -> list[str]:
    """Host, number and start of this process: a number can be given again, and a container has always the same."""
    return [socket.gethostname(), str(os.getpid()), start_time(os.getpid()) or ""]


def has_ended(process: Sequence[str]) -> bool:
    """Return whether ``process`` is known to have ended: it was on this machine, and its number is free or
    another's.
    """
    host, pid, start = process
    return host == socket.gethostname() and start_time(int(pid)) != start


def start_time(pid: int) -> str | None:
    """When a process of this machine began, in clock ticks since boot (proc(5)); None where there is none.

    Empty on systems that do not say.
    """
    if not Path("/proc/self/stat").exists():
        return _exists(pid)
    try:
        state, *rest = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state in "ZX" else rest[18]  # one that ended and was not asked for its status has a number


def _exists(pid: int) -> str | None:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return ""
