"""Cost of one cold pass over a file: seconds, bytes from the disk, cores, memory (Linux only: reads /proc)."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path


def proc(file: str, field: str) -> int:
    """Return a number of ``/proc/self/FILE``; ``status`` counts KiB, ``io`` bytes."""
    lines = Path("/proc/self", file).read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))


def busy_seconds() -> float:
    """Return the CPU seconds that this machine has worked, all processes and the kernel."""
    user, nice, system, _, _, *interrupts = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    return sum(map(int, [user, nice, system, *interrupts[:2]])) / os.sysconf("SC_CLK_TCK")


def measured(work: Callable[[], int], features: Path) -> dict[str, float]:
    """Measure one cold pass: seconds, GB from the disk, cores used by it and by others, peaks of memory in GB.

    ``work`` returns the bytes of its result (the wells), which are not counted as memory of the pass.
    """
    with features.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM
    before = {name: proc("status", name) for name in ("RssAnon", "VmRSS")}
    peak, done = [0], threading.Event()

    def sample() -> None:
        while not done.wait(0.02):
            peak[0] = max(peak[0], proc("status", "RssAnon"))

    sampler = threading.Thread(target=sample)
    sampler.start()
    disk, cpu, busy, start = proc("io", "read_bytes"), time.process_time(), busy_seconds(), time.perf_counter()
    result_bytes = work()
    seconds, cpu, busy = time.perf_counter() - start, time.process_time() - cpu, busy_seconds() - busy
    disk = proc("io", "read_bytes") - disk
    done.set()
    sampler.join()
    return {
        "seconds": seconds,
        "disk": disk / 1e9,
        "cores": cpu / seconds,
        "others": max(0.0, busy - cpu) / seconds,
        "anonymous": ((peak[0] - before["RssAnon"]) * 1024 - result_bytes) / 1e9,
        "resident": ((proc("status", "VmHWM") - before["VmRSS"]) * 1024 - result_bytes) / 1e9,
    }
