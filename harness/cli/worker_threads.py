"""How a launcher's workers share the cores of a machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.core.exceptions import InputError


def share(launcher: Mapping[str, Any], available: int) -> int | None:
    """Return cores for each job: ``available`` divided by joblib's ``n_jobs``; what a job of submitit or Ray asks for,
    else 1.

    None of a scheduler (Slurm), which tells its jobs itself.

    Raises
    ------
    InputError : ``n_jobs=0``.
    """
    if "n_jobs" in launcher:
        n = int(launcher["n_jobs"])
        if n == 0:
            raise InputError("hydra.launcher.n_jobs=0: expected the number of workers, or -1 for one on each core")
        workers = n if n > 0 else max(1, available + 1 + n)
        return max(1, available // workers)
    if "remote" in launcher:
        return max(1, int(launcher["remote"].get("num_cpus") or 1))
    if str(launcher["_target_"]).endswith(".LocalLauncher"):
        return int(launcher["cpus_per_task"] or 1)
    return None
