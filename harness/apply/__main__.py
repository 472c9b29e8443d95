"""``python -m harness.apply``: normalize a screen and write the profiles, for use elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable

from harness.program.run_program import run_program


def _load() -> Callable[[], int]:
    from harness.apply.command import cli

    return cli


if __name__ == "__main__":
    sys.exit(run_program("harness.apply", _load))
