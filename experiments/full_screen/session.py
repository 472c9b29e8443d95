"""Cost of a command, with all processes that it starts (Linux only: reads /proc)."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

EVERY = 0.5  # seconds between samples


def run(words: Sequence[str], log: Path) -> dict[str, float]:
    """Run a command to its end; its output goes to ``log``.

    Returns
    -------
    ``status``, ``seconds`` of wall time, ``cpu`` seconds, peaks of the sum over its processes of memory in GB
    (``anonymous``: not a map of a file; ``resident``: maps counted once per process that has them), and GB ``read``
    from and ``written`` to the disk.
    """
    peaks, sums = {"anonymous": 0.0, "resident": 0.0}, {"read": {}, "written": {}, "cpu": {}}
    with log.open("w") as file:
        start = time.perf_counter()
        process = subprocess.Popen(words, stdout=file, stderr=subprocess.STDOUT, start_new_session=True)
        while process.poll() is None:
            samples = [cost for pid in members(process.pid) if (cost := sample(pid)) is not None]
            for name in peaks:
                peaks[name] = max(peaks[name], sum(sampled[name] for sampled in samples))
            for name, by_process in sums.items():
                by_process.update({sampled["pid"]: sampled[name] for sampled in samples})
            time.sleep(EVERY)
        seconds = time.perf_counter() - start
    totals = {name: sum(by_process.values()) for name, by_process in sums.items()}
    return {"status": process.returncode, "seconds": seconds, **peaks, **totals}


def members(session: int) -> list[int]:
    """Return the processes of a session."""
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    session_pids = []
    for pid in pids:
        try:
            if os.getsid(pid) == session:
                session_pids.append(pid)
        except ProcessLookupError:
            continue  # ended meanwhile
    return session_pids


def sample(pid: int) -> dict[str, float] | None:
    """Return memory, disk traffic and CPU seconds of one process; None if it has ended."""
    try:
        status, io = (_fields(Path(f"/proc/{pid}/{name}")) for name in ("status", "io"))
        ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    except (FileNotFoundError, ProcessLookupError):
        return None
    if "RssAnon" not in status:
        return None  # ended, and not yet waited for
    return {
        "pid": pid,
        "anonymous": status["RssAnon"] * 1024 / 1e9,
        "resident": status["VmRSS"] * 1024 / 1e9,
        "read": io["read_bytes"] / 1e9,
        "written": io["write_bytes"] / 1e9,
        "cpu": sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK"),
    }


def _fields(path: Path) -> dict[str, int]:
    pairs = [line.split(":", 1) for line in path.read_text().splitlines()]
    return {key: int(value.split()[0]) for key, value in pairs if value.split() and value.split()[0].isdigit()}
