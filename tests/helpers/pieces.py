"""Work for other processes, in a module that imports little: each of them imports it anew."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable
from multiprocessing import parent_process
from typing import Any

from harness.core.exceptions import InputError


def make(factor: int) -> Callable[[str], Any]:
    """A doer of pieces: ``N`` gives N x factor and the process that did it, other names misbehave."""

    def do(name: str) -> tuple[int, int]:
        if name == "slow":
            time.sleep(1.5)
            return 0, os.getpid()
        if name == "warn":
            warnings.warn("odd numbers", UserWarning, stacklevel=1)
            return 1, os.getpid()
        if name == "bad":
            raise InputError("no such thing; choose another")
        if name == "die" and parent_process() is not None:
            os._exit(3)
        return factor * (int(name) if name.isdigit() else 7), os.getpid()

    return do
