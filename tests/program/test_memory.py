"""Want of memory is one line, and the process ends."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from processes import environment

from harness.program.out_of_memory import LEAST, is_out_of_memory

pytestmark = pytest.mark.slow


def _caused(outer: Exception, inner: Exception) -> Exception:
    outer.__cause__ = inner
    return outer


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (MemoryError("Unable to allocate 3.2 GiB for an array with shape (1, 2)"), True),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), True),
        (ImportError("libx.so: failed to map segment from shared object"), True),
        (RuntimeError("can't start new thread"), True),
        (ValueError("std::bad_alloc"), True),
        (_caused(RuntimeError("odd"), MemoryError()), True),
        (OSError(errno.ENOSPC, "No space left on device"), False),
        (ValueError("the memory of plates"), False),
        (KeyError("x"), False),
    ],
)
def test_how_it_shows(error: Exception, expected: bool) -> None:
    assert is_out_of_memory(error) is expected


@pytest.mark.skipif(os.name == "nt", reason="no such limits")
@pytest.mark.parametrize("kilobytes", [300_000, 1_000_000, LEAST // 1024 - 1])
def test_a_limit_that_is_too_low_is_named_before_anything_begins(kilobytes: int, tmp_path: Path) -> None:
    script = f'ulimit -v {kilobytes}; exec "$0" -m harness +norm=raw data.size=tiny'
    ended = subprocess.run(
        ["bash", "-c", script, sys.executable],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)
    assert f"limited to {kilobytes / 2**20:.2f} GiB (ulimit -v); expected 3 GiB or more" in ended.stderr
    assert list(tmp_path.iterdir()) == []


REFUSED = """
import sys, threading
from harness.program.run_program import run_program

def command():
    threading.Thread(target=threading.Event().wait).start()  # as a pool that waits for a helper
    raise MemoryError("Unable to allocate 9 TiB")

sys.exit(run_program("harness", lambda: command))
"""


def test_a_process_that_was_refused_memory_waits_for_nothing(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", REFUSED], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith("harness: not enough memory (Unable to allocate 9 TiB); raise the limit")
    assert ended.stderr.count("\n") == 1
