"""Launcher of the jobs of a sweep as tasks of Ray, on this machine or on a cluster with a shared file system.

The published launcher for Ray (hydra-ray-launcher 1.2) needs cloudpickle below 3, and joblib from 1.6 at least 3.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from harness.core.exceptions import InputError
from harness.utils.cpu_count import cores


class RayLauncher(Launcher):
    """Launcher that starts Ray on this machine, or joins the cluster of ``init.address`` (or ``RAY_ADDRESS``).

    Parameters
    ----------
    init : keyword arguments of ``ray.init``. On this machine Ray has as many cores as
        :func:`harness.utils.cpu_count.cores`.
    remote : of ``ray.remote``: ``num_cpus`` and ``memory`` (bytes) of each job.
    """

    def __init__(self, init: Mapping[str, Any], remote: Mapping[str, Any]) -> None:
        self.init, self.remote = _plain(init), _plain(remote)

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context = hydra_context
        self.task_function = task_function
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run all jobs to the end and return them; then raise Ray's error of a job whose worker was killed, if any.

        Raises
        ------
        InputError : Ray is not installed.
        """
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
        except ImportError as error:
            raise InputError("hydra/launcher=ray: Ray is not installed; pip install 'normharness[ray]'") from error
        setup_globals()
        address = self.init.get("address") or os.environ.get("RAY_ADDRESS")
        ray.init(**({} if address else {"num_cpus": cores()}) | self.init)
        try:
            task = ray.remote(**self.remote)(_run)
            context, state = ray.put((self.hydra_context, self.config, self.task_function)), Singleton.get_state()
            jobs = [
                task.remote(context, list(overrides), number, state, os.getcwd())
                for number, overrides in enumerate(job_overrides, initial_job_idx)
            ]
            ray.wait(jobs, num_returns=len(jobs))
            returns: list[JobReturn] = ray.get(jobs)
        finally:
            ray.shutdown()
        return returns


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    plain = OmegaConf.to_object(OmegaConf.create(dict(settings)))
    assert isinstance(plain, dict)
    return {str(name): value for name, value in plain.items()}


def _run(
    context: tuple[HydraContext, DictConfig, TaskFunction],
    overrides: list[str],
    number: int,
    state: dict[Any, Any],
    folder: str,
) -> JobReturn:
    """Run one job in a worker and return it."""
    hydra_context, config, task_function = context
    os.chdir(folder)
    setup_globals()
    Singleton.set_state(state)
    job = hydra_context.config_loader.load_sweep_config(config, overrides)
    with open_dict(job):
        job.hydra.job.id = f"{job.hydra.job.name}_{number}"
        job.hydra.job.num = number
    HydraConfig.instance().set_config(job)
    return run_job(
        hydra_context=hydra_context,
        config=job,
        task_function=task_function,
        job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
    )
