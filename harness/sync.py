"""``python -m harness.sync``: send results to a server that did not answer during a run."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.program.run_program import run_program

EPILOG = """Runs against a server keep their results in FOLDER/outbox until the server has them. This sends the pending
results in order, ends each run as it ended (a run that was killed as KILLED) and empties the outbox. Repeating
it is safe. Deleting a folder in the outbox gives its run up.

examples:
  python -m harness.sync
  python -m harness.sync --outbox pending               of runs with tracking.outbox=pending
  python -m harness.sync --uri http://127.0.0.1:5000    the server has another address now
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    arguments = argparse.ArgumentParser(
        prog="python -m harness.sync",
        description="Send results to a server that did not answer during a run.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    arguments.add_argument("--folder", default="mlruns", help="folder that holds the outbox (default: %(default)s)")
    arguments.add_argument(
        "--outbox", help="the outbox itself, of runs with tracking.outbox=FOLDER (default: FOLDER/outbox)"
    )
    arguments.add_argument("--uri", help="address of the server (default: the one that each run was made on)")
    arguments.add_argument("--timeout", type=float, default=60.0, help="seconds for each call (default: %(default)s)")
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Send pending results; return 0 if none is left, 2 with a line on stderr for each run that could not be sent."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    options = parser().parse_args(argv)
    from harness.tracking.resend import resend_pending

    outbox = Path(options.outbox or Path(options.folder) / "outbox")
    if options.outbox and not outbox.is_dir():
        print(f"harness.sync: --outbox {outbox}: there is no such folder", file=sys.stderr)
        return 2
    if not options.timeout > 0:
        print(f"harness.sync: --timeout {options.timeout:g}: expected seconds above 0", file=sys.stderr)
        return 2
    done, left = resend_pending(outbox, uri=options.uri, timeout=options.timeout)
    for line in done:
        print(line)
    for line in left:
        print(f"harness.sync: {line}", file=sys.stderr)
    if not done and not left:
        other = "" if options.outbox else " Runs with tracking.outbox=FOLDER keep theirs there: add --outbox FOLDER."
        print(f"Nothing is left to send in {outbox}.{other}")
    return 2 if left else 0


if __name__ == "__main__":
    sys.exit(run_program("harness.sync", lambda: main))
