"""Commands in processes that can be killed: forked from one that has imported everything, which costs seconds.

Reads lines of JSON from stdin, ``{"folder", "words", "n", "seconds"}``: does the command in ``n`` processes at once and
kills them after ``seconds`` (null: leaves them alone). Answers each with ``{"status": [...], "seconds"}``.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import time
from pathlib import Path

for name in (
    "harness.cli.evaluation",
    "mlflow.store.tracking.sqlalchemy_store",
    "mlflow.store.db.utils",
    "sklearn.pipeline",
):
    importlib.import_module(name)


def command(folder: str, words: list[str]) -> int:
    """In the fork; does not return to the caller's code."""
    from harness.cli.app import cli

    os.setpgid(0, 0)
    os.chdir(folder)
    said = os.open(Path(folder).with_suffix(".said"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(said, 1)
    os.dup2(said, 2)
    sys.argv = ["harness", *words]
    return cli()


def victim(folder: str, words: list[str]) -> int:
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = command(folder, words)
        finally:
            sys.stdout.flush()
            os._exit(status)
    return child


def end(child: int, seconds: float | None) -> int:
    """Status of the child, as ``subprocess`` has it."""
    until = None if seconds is None else time.monotonic() + seconds
    while until is not None and time.monotonic() < until:
        if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            until = None
        time.sleep(0.002)
    if until is not None:
        os.killpg(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


for line in sys.stdin:
    asked, start = json.loads(line), time.monotonic()
    children = [victim(asked["folder"], asked["words"]) for _ in range(asked["n"])]
    status = [end(child, asked["seconds"]) for child in children]
    print(json.dumps({"status": status, "seconds": time.monotonic() - start}), flush=True)
