"""Standard output that cannot be written does not cost the computation, and is said."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from processes import environment

from harness.program.safe_output import SafeOutput

FULL = Path("/dev/full")


class Full(io.StringIO):
    def write(self, _: str) -> int:
        raise OSError(28, "No space left on device")


def test_once_it_fails_everything_is_dropped_and_the_reason_is_there() -> None:
    output = SafeOutput(Full())
    assert output.write("abc") == 3
    output.write("def")
    output.flush()
    assert output.failure == "No space left on device"
    assert not output.isatty()


def test_what_is_written_arrives_without_secrets() -> None:
    stream = io.StringIO()
    output = SafeOutput(stream)
    print("see http://u:S3cr.t@h/x", file=output)
    assert stream.getvalue() == "see http://u:***@h/x\n"
    assert output.failure == ""


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
@pytest.mark.parametrize("module", ["harness", "harness.sync"])
def test_a_full_device_is_named(module: str, tmp_path: Path) -> None:
    with FULL.open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", module, "--help"],
            cwd=tmp_path,
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert ended.returncode == 2
    assert ended.stderr == (
        f"{module}: standard output could not be written (No space left on device); "
        "send it elsewhere, e.g. to a file: > FILE\n"
    )


def test_a_reader_that_has_gone_is_named(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(
        [sys.executable, "-m", "harness.sync", "--help"],
        cwd=tmp_path,
        env=environment(),
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writing)
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert "Broken pipe" in ended.stderr
