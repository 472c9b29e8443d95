"""A sweep whose jobs run in other processes: made ready before they start, listened to while they run."""

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
from harness.cli.job import mistakes
from harness.cli.notices import relay, say_once
from harness.cli.sweep_overrides import prepare_sweep
from harness.cli.worker_channel import WorkerChannel
from harness.core.exceptions import InputError
from harness.program.run_program import BAD_INPUT
from harness.utils import interruption
from harness.utils.redaction import redacted_config

_LOOK = 0.2  # seconds between looks into the mailbox
_PATIENCE = 1.5  # seconds that workers have to record that they were interrupted, of interruption.GRACE
_HYDRA_FILES = ("config.yaml", "hydra.yaml", "overrides.yaml")


@dataclass
class _Sweep:
    """What is held for a sweep: its mailbox, what to undo at its end, and where its jobs record."""

    mailbox: WorkerChannel
    stack: ExitStack
    tracking: Any = None


_sweeps: list[_Sweep] = []  # of the command that this process executes


class SweepCallback(Callback):
    """Hydra's callback: what must be there before the first worker starts.

    The tables of a local tracking database (several processes must not make them at once), the mailbox, and each
    worker's share of the cores. A sweep in this process needs none of it.
    """

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Make ready; end the command with one line if the tracking store or the launcher cannot be used."""
        HydraConfig.instance().set_config(config)
        try:
            prepare_sweep(config)
        except mistakes() as error:
            say_once(f"harness: {format_error(error)}")
            raise SystemExit(BAD_INPUT) from error
        if config.hydra.launcher._target_.endswith(".BasicLauncher"):
            return
        from harness.cli.worker_threads import share
        from harness.utils.cpu_count import CORES, cores

        tracking = None
        try:
            if "tracking" in config:
                with interruption.held_back():
                    tracking = instantiate(config.tracking)
                tracking.open()
            given = share(config.hydra.launcher, cores())
        except mistakes() as error:
            say_once(f"harness: {format_error(error)}")
            raise SystemExit(BAD_INPUT) from error
        if given is not None:
            with read_write(config.hydra):
                config.hydra.overrides.hydra.append(f"++hydra.job.env_set.{CORES}='{given}'")
        for sweep in _sweeps:
            sweep.tracking = tracking
            sweep.mailbox.open(Path(config.hydra.sweep.dir))
            if "joblib" in config.hydra.launcher._target_:
                sweep.stack.enter_context(interruption.blocked())

    def on_job_start(self, config: DictConfig, **_: Any) -> None:
        """Take the secrets out of the files that Hydra writes for a job, if it was told to write any."""
        if config.hydra.output_subdir is None:
            return
        folder = Path(config.hydra.runtime.output_dir) / config.hydra.output_subdir
        for path in map(folder.joinpath, _HYDRA_FILES):
            OmegaConf.save(OmegaConf.create(redacted_config(OmegaConf.to_container(OmegaConf.load(path)))), path)


@contextmanager
def relay_job_output(mailbox: WorkerChannel, statuses: list[int]) -> Iterator[None]:
    """Print what jobs elsewhere send as they end, one after the other, and collect their exit statuses.

    An interrupt stops them first. If the block raises something else, jobs that still run are left to end.
    """
    over = threading.Event()

    def take() -> None:
        for ended in mailbox.take() if mailbox.folder is not None else []:
            statuses.append(ended.status)
            relay(ended.err)
            print(ended.out, end="", flush=True)

    def listen() -> None:
        last = False
        while not last:
            last = over.wait(_LOOK)
            take()

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    close = False
    with ExitStack() as stack:
        sweep = _Sweep(mailbox, stack)
        _sweeps.append(sweep)
        try:
            with interruption.before_raise(lambda: _stop(mailbox)), interruption.last_act(_end_workers):
                yield
            close = True
        except KeyboardInterrupt:
            _end_workers()
            _close_runs(sweep)
            close = True
            raise
        finally:
            over.set()
            thread.join()
            _sweeps.remove(sweep)
            if close and mailbox.folder is not None:
                mailbox.close()


def _stop(mailbox: WorkerChannel) -> None:
    """Ask the jobs elsewhere to end, and wait until each has recorded that it was interrupted, for a while."""
    if mailbox.folder is None:
        return
    mailbox.stop()
    until = time.monotonic() + _PATIENCE
    while mailbox.is_busy and time.monotonic() < until:
        time.sleep(_LOOK)
    _end_workers()


def _end_workers() -> None:
    """End the workers of joblib, which stay for minutes otherwise."""
    reusable = sys.modules.get("joblib.externals.loky.reusable_executor")
    executor = None if reusable is None else reusable._executor
    for process in list((executor._processes or {}).values()) if executor is not None else []:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)


def _close_runs(sweep: _Sweep) -> None:
    """Record that runs of workers that were ended do not run any more."""
    if sweep.tracking is None:
        return
    from harness.tracking.run_lookup import close_orphaned_runs

    try:
        close_orphaned_runs(sweep.tracking)
    except InputError as error:
        say_once(f"harness: {error}")
