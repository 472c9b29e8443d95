"""``python -m harness.inspect``: what is in the files of a screen, what applies to it, and the command to copy."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from harness.program.run import run_program

if TYPE_CHECKING:
    from omegaconf import DictConfig


def _load() -> Callable[[], int]:
    from harness.cli.command import command

    return partial(command, "inspect", _inspect)


def _inspect(cfg: DictConfig) -> None:
    from harness.program.interruption import held_back

    with held_back():
        from harness.inspect.command import inspect_config
    inspect_config(cfg)


if __name__ == "__main__":
    sys.exit(run_program("harness.inspect", _load))
