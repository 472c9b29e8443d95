"""``python -m harness.inspect``: describe a screen, the members that apply to it, and a command to copy."""

from __future__ import annotations

import sys
from collections.abc import Callable

from harness.program.run_program import run_program


def _load() -> Callable[[], int]:
    from harness.inspect.command import cli

    return cli


if __name__ == "__main__":
    sys.exit(run_program("harness.inspect", _load))
