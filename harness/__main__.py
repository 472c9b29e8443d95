"""``python -m harness +norm=NAME``: evaluate one normalization; ``-m`` sweeps several."""

from __future__ import annotations

import sys
from collections.abc import Callable

from harness.program.run_program import run_program


def _load() -> Callable[[], int]:
    from harness.cli.app import cli

    return cli


def main() -> int:
    """Run the command and return its exit status: also the console script ``harness``."""
    return run_program("harness", _load)


if __name__ == "__main__":
    sys.exit(main())
