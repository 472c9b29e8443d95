"""Division of the cores of a machine among the workers of a launcher."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.core.exceptions import InputError


def cores_per_job(launcher: Mapping[str, Any], available: int) -> int | None:
    """Return the number of cores for each job; None for a scheduler (Slurm), which sets it itself.

    It is ``available`` divided by joblib's ``n_jobs``, and the request of a job of submitit or Ray, else 1.

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
