"""A sweep whose jobs run in other processes: made ready before they start, listened to while they run."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from hydra.utils import instantiate
from omegaconf import DictConfig, read_write

from harness.cli.attempt import BAD_INPUT, MISTAKES, WARNING, warn_once
from harness.cli.mailbox import Mailbox
from harness.cli.messages import plain
from harness.cli.share import share
from harness.cli.sweep_words import prepare_sweep
from harness.cores import CORES, cores

_LOOK = 0.3  # seconds between looks into the mailbox
_PATIENCE = 20.0  # seconds that workers have to record that they were interrupted
_mailboxes: list[Mailbox] = []  # of the command that this process executes


class BeforeSweep(Callback):
    """Hydra's callback: what must be there before the first worker starts.

    The tables of a local tracking database (several processes must not make them at once), the mailbox, and each
    worker's share of the cores. A sweep in this process needs none of it.
    """

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        HydraConfig.instance().set_config(config)
        try:
            prepare_sweep(config)
        except MISTAKES as error:
            print(f"harness: {plain(error)}", file=sys.stderr)
            raise SystemExit(BAD_INPUT) from error
        if config.hydra.launcher._target_.endswith(".BasicLauncher"):
            return
        try:
            if "tracking" in config:
                instantiate(config.tracking).open()
            given = share(config.hydra.launcher, cores())
        except MISTAKES as error:
            print(f"harness: {plain(error)}", file=sys.stderr)
            raise SystemExit(BAD_INPUT) from error
        if given is not None:
            with read_write(config.hydra):
                config.hydra.overrides.hydra.append(f"++hydra.job.env_set.{CORES}='{given}'")
        for mailbox in _mailboxes:
            mailbox.open(Path(config.hydra.sweep.dir))


@contextmanager
def listening(mailbox: Mailbox, statuses: list[int]) -> Iterator[None]:
    """Print what jobs elsewhere send as they end, one after the other, and collect their exit statuses.

    An interrupt stops them first. Where the block raises something else, jobs that still run are left to end.
    """
    over = threading.Event()

    def relay() -> None:
        last = False
        while not last:
            last = over.wait(_LOOK)
            for ended in mailbox.take() if mailbox.folder is not None else []:
                statuses.append(ended.status)
                _print(ended.out, ended.err)

    thread = threading.Thread(target=relay, daemon=True)
    _mailboxes.append(mailbox)
    thread.start()
    finished = False
    try:
        with _stopping(mailbox):
            yield
        finished = True
    except KeyboardInterrupt:
        finished = True
        raise
    finally:
        over.set()
        thread.join()
        _mailboxes.remove(mailbox)
        if finished and mailbox.folder is not None:
            mailbox.close()


@contextmanager
def _stopping(mailbox: Mailbox) -> Iterator[None]:
    """Let an interrupt wait for the jobs elsewhere, so that each records that it was interrupted; a second does not."""

    def stop(signum: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if mailbox.folder is not None:
            mailbox.stop()
            until = time.monotonic() + _PATIENCE
            while mailbox.is_busy and time.monotonic() < until:
                time.sleep(_LOOK)
        signal.default_int_handler(signum, frame)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _print(out: str, err: str) -> None:
    for line in err.splitlines():
        if line.startswith(WARNING):
            warn_once(line)
        else:
            print(line, file=sys.stderr)
    print(out, end="", flush=True)
