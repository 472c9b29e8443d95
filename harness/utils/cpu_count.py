"""Number of cores that a process may use."""

from __future__ import annotations

import os

from harness.core.exceptions import InputError

CORES = "HARNESS_CORES"
_VARIABLES = (CORES, "SLURM_CPUS_PER_TASK")


def cores() -> int:
    """Return ``HARNESS_CORES``, or Slurm's number for the task, or the number of cores that this process may run on.

    A run makes no more processes and threads than that. A sweep divides it among its workers, each of which reads its
    share here.

    Raises
    ------
    InputError : a variable that is no whole number from 1 on.
    """
    for name in _VARIABLES:
        text = os.environ.get(name)
        if text is not None:
            if not text.isdecimal() or int(text) < 1:
                raise InputError(f"{name}={text!r}: expected a whole number from 1, or no such variable")
            return int(text)
    from joblib import cpu_count  # takes a quarter of a second, which --help does not need

    return int(cpu_count())
