"""Sweeps whose jobs run in other processes: preparation, output of the jobs, interrupts."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf, read_write

from harness.cli.error_messages import format_error
from harness.cli.job import user_errors
from harness.cli.notices import print_once, relay_stderr
from harness.cli.sweep_overrides import prepare_sweep
from harness.cli.worker_channel import JobResult, WorkerChannel
from harness.core.exceptions import InputError
from harness.program.run_program import BAD_INPUT
from harness.utils import interruption
from harness.utils.redaction import redacted_config

_POLL_INTERVAL = 0.2  # seconds between looks into the channel
_STOP_TIMEOUT = 1.5  # seconds for workers to record that they were interrupted; below interruption.GRACE
_HYDRA_FILES = ("config.yaml", "hydra.yaml", "overrides.yaml")


@dataclass
class _Sweep:
    """A running sweep: the channel of its workers, actions to undo at its end, and the tracking of its jobs."""

    channel: WorkerChannel
    stack: ExitStack
    tracking: Any = None


_sweeps: list[_Sweep] = []  # of the command that this process executes


class SweepCallback(Callback):
    """Hydra callback that prepares a sweep before its first worker starts.

    It makes the tables of a local tracking database (several processes must not do so at once), opens the channel, and
    divides the cores among the workers. A sweep in this process needs none of it.
    """

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Prepare the sweep; end the command with one line if the tracking store or the launcher cannot be used."""
        HydraConfig.instance().set_config(config)
        try:
            prepare_sweep(config)
        except user_errors() as error:
            print_once(f"harness: {format_error(error)}")
            raise SystemExit(BAD_INPUT) from error
        if config.hydra.launcher._target_.endswith(".BasicLauncher"):
            return
        from harness.cli.worker_threads import cores_per_job
        from harness.utils.cpu_count import CORES, cores

        tracking = None
        try:
            if "tracking" in config:
                with interruption.defer_interrupts():
                    tracking = instantiate(config.tracking)
                tracking.open()
            n_cores = cores_per_job(config.hydra.launcher, cores())
        except user_errors() as error:
            print_once(f"harness: {format_error(error)}")
            raise SystemExit(BAD_INPUT) from error
        if n_cores is not None:
            with read_write(config.hydra):
                config.hydra.overrides.hydra.append(f"++hydra.job.env_set.{CORES}='{n_cores}'")
        for sweep in _sweeps:
            sweep.tracking = tracking
            sweep.channel.open(Path(config.hydra.sweep.dir))
            if "joblib" in config.hydra.launcher._target_:
                sweep.stack.enter_context(interruption.block_signals())

    def on_job_start(self, config: DictConfig, **_: Any) -> None:
        """Remove secrets from the files that Hydra writes for a job, if it writes any."""
        if config.hydra.output_subdir is None:
            return
        folder = Path(config.hydra.runtime.output_dir) / config.hydra.output_subdir
        for path in map(folder.joinpath, _HYDRA_FILES):
            OmegaConf.save(OmegaConf.create(redacted_config(OmegaConf.to_container(OmegaConf.load(path)))), path)


@contextmanager
def relay_job_output(channel: WorkerChannel, results: list[JobResult]) -> Iterator[None]:
    """Collect the results of jobs in other processes as they end, and print their output one after the other.

    An interrupt stops the jobs first. If the block raises anything else, running jobs are left to end.
    """
    ended = threading.Event()

    def poll() -> None:
        is_last = False
        while not is_last:
            is_last = ended.wait(_POLL_INTERVAL)
            for result in channel.receive() if channel.folder is not None else []:
                results.append(result)
                relay_stderr(result.err)
                print(result.out, end="", flush=True)

    thread = threading.Thread(target=poll, daemon=True)
    thread.start()
    close = False
    with ExitStack() as stack:
        sweep = _Sweep(channel, stack)
        _sweeps.append(sweep)
        try:
            with (
                interruption.before_raise(lambda: _forward_interrupt(channel)),
                interruption.before_forced_exit(_kill_workers),
            ):
                yield
            close = True
        except KeyboardInterrupt:
            _kill_workers()
            _close_runs(sweep)
            close = True
            raise
        finally:
            ended.set()
            thread.join()
            _sweeps.remove(sweep)
            if close and channel.folder is not None:
                channel.close()


def _forward_interrupt(channel: WorkerChannel) -> None:
    """Ask the jobs in other processes to end, and wait a moment for each to record that it was interrupted."""
    if channel.folder is None:
        return
    channel.stop()
    deadline = time.monotonic() + _STOP_TIMEOUT
    while channel.has_running_jobs and time.monotonic() < deadline:
        time.sleep(_POLL_INTERVAL)
    _kill_workers()


def _kill_workers() -> None:
    """Kill the workers of joblib, which stay for minutes otherwise."""
    reusable = sys.modules.get("joblib.externals.loky.reusable_executor")
    executor = None if reusable is None else reusable._executor
    for process in list((executor._processes or {}).values()) if executor is not None else []:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)


def _close_runs(sweep: _Sweep) -> None:
    """Record that the runs of killed workers do not run any more."""
    if sweep.tracking is None:
        return
    from harness.tracking.run_lookup import close_orphaned_runs

    try:
        close_orphaned_runs(sweep.tracking)
    except InputError as error:
        print_once(f"harness: {error}")
