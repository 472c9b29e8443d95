"""How many cores a process may use."""

from __future__ import annotations

import os

from harness.core.exceptions import InputError

CORES = "HARNESS_CORES"
_SAID_BY = (CORES, "SLURM_CPUS_PER_TASK")


def cores() -> int:
    """Return ``HARNESS_CORES``, or what Slurm gave to the task, or the cores that this process may run on.

    A run makes no more processes and threads than that. A sweep divides it among its workers, each of which reads its
    share here.

    Raises
    ------
    InputError : the variable is no whole number from 1.
    """
    for name in _SAID_BY:
        text = os.environ.get(name)
        if text is not None:
            if not text.isdecimal() or int(text) < 1:
                raise InputError(f"{name}={text!r}: expected a whole number from 1, or no such variable")
            return int(text)
    from joblib import cpu_count  # a quarter of a second, which --help can do without

    return int(cpu_count())
