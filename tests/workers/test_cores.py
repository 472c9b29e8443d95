"""Cores of a process, and how the workers of a sweep share them."""

from __future__ import annotations

import os
from typing import Any

import pytest

from harness.cli.worker_threads import cores_per_job
from harness.core.exceptions import InputError
from harness.utils.cpu_count import cores

JOBLIB = {"_target_": "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher"}
LOCAL = {"_target_": "hydra_plugins.hydra_submitit_launcher.submitit_launcher.LocalLauncher"}
SLURM = {"_target_": "hydra_plugins.hydra_submitit_launcher.submitit_launcher.SlurmLauncher"}
RAY = {"_target_": "harness.cli.launchers.ray.RayLauncher", "init": {}}


@pytest.fixture(autouse=True)
def _nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HARNESS_CORES", raising=False)
    monkeypatch.delenv("SLURM_CPUS_PER_TASK", raising=False)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity of processes")
def test_only_cores_that_this_process_may_run_on_count() -> None:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert cores() == 1
    finally:
        os.sched_setaffinity(0, before)
    assert 1 <= cores() <= len(before)


def test_what_the_user_says_goes_before_what_slurm_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "7")
    assert cores() == 7
    monkeypatch.setenv("HARNESS_CORES", "3")
    assert cores() == 3


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", ""])
def test_a_variable_that_is_no_number_of_cores_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CORES", text)
    with pytest.raises(InputError, match=r"HARNESS_CORES=.*expected a whole number from 1"):
        cores()


@pytest.mark.parametrize(
    ("launcher", "available", "expected"),
    [
        ({**JOBLIB, "n_jobs": 2}, 8, 4),
        ({**JOBLIB, "n_jobs": 3}, 8, 2),
        ({**JOBLIB, "n_jobs": 16}, 8, 1),
        ({**JOBLIB, "n_jobs": 1}, 8, 8),
        ({**JOBLIB, "n_jobs": -1}, 8, 1),
        ({**JOBLIB, "n_jobs": -5}, 8, 2),
        ({**JOBLIB, "n_jobs": -99}, 8, 8),
        ({**LOCAL, "cpus_per_task": None}, 8, 1),
        ({**LOCAL, "cpus_per_task": 3}, 8, 3),
        ({**SLURM, "cpus_per_task": 3}, 8, None),
        ({**RAY, "remote": {"num_cpus": 4}}, 8, 4),
        ({**RAY, "remote": {"num_cpus": 0.5}}, 8, 1),
        ({**RAY, "remote": {}}, 8, 1),
    ],
)
def test_share_of_a_job(launcher: dict[str, Any], available: int, expected: int | None) -> None:
    assert cores_per_job(launcher, available) == expected


def test_no_workers_are_refused() -> None:
    with pytest.raises(InputError, match="n_jobs=0"):
        cores_per_job({**JOBLIB, "n_jobs": 0}, 8)
