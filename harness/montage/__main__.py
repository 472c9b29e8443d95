"""``python -m harness.montage``: a contact sheet of the raw images of chosen wells."""

from __future__ import annotations

import sys
from collections.abc import Callable

from harness.program.run_program import run_program


def _load() -> Callable[[], int]:
    from harness.montage.command import cli

    return cli


if __name__ == "__main__":
    sys.exit(run_program("harness.montage", _load))
