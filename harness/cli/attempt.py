"""One job, with every error in one plain line: here, or in a worker of a sweep that tells how it ended."""

from __future__ import annotations

import _thread
import io
import logging
import os
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import cache
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.errors import InstantiationException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException
from sklearn.utils._param_validation import InvalidParameterError
from threadpoolctl import threadpool_limits

from harness.cli.mailbox import Ended, Mailbox
from harness.cli.messages import plain
from harness.cores import cores
from harness.types import InputError, NotApplicable

BAD_INPUT = 2
CRASHED = 1
INTERRUPTED = 130
MISTAKES = (InputError, NotApplicable, OmegaConfBaseException, InstantiationException, InvalidParameterError)
WARNING = "harness: warning: "
_LOOK = 1.0  # seconds between looks at whether the sweep was stopped

Body = Callable[[DictConfig], None]


def settle() -> None:
    """Warnings and logs of this process: one plain line each."""
    logging.basicConfig(format="harness: %(message)s", level=logging.WARNING, stream=sys.stderr, force=True)
    warnings.showwarning = _show_warning  # type: ignore[assignment]
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # errors arrive in the command as they are
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")


def attempt(cfg: DictConfig, body: Body) -> int:
    """Do ``body``; a mistake in what was asked for is a line on stderr. Returns the exit status."""
    try:
        body(cfg)
    except MISTAKES as error:
        label, text = _label(), plain(error)
        print(f"harness: {label}{text.removeprefix(label)}", file=sys.stderr)
        return BAD_INPUT
    return 0


def attempt_elsewhere(cfg: DictConfig, body: Body, mailbox: Mailbox) -> None:
    """The same in a worker, on its share of the cores: what it prints and how it ends goes to ``mailbox``."""
    if not mailbox.is_open:
        return
    number = int(HydraConfig.get().job.num)
    out, err = io.StringIO(), io.StringIO()
    mailbox.begin(number)
    with redirect_stdout(out), redirect_stderr(err):
        settle()
        try:
            with _stopped_with(mailbox), threadpool_limits(cores()):
                status = attempt(cfg, body)
        except KeyboardInterrupt:
            status = INTERRUPTED
        except Exception:
            traceback.print_exc()
            status = CRASHED
    mailbox.put(number, Ended(status, out.getvalue(), err.getvalue()))


@contextmanager
def _stopped_with(mailbox: Mailbox) -> Iterator[None]:
    """Interrupt the block when the sweep is stopped, wherever that happens."""
    done = threading.Event()

    def look() -> None:
        while not done.wait(_LOOK):
            if not mailbox.is_open:
                _thread.interrupt_main()
                return

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _label() -> str:
    """The normalization as it was asked for."""
    asked = [word.partition("=")[2] for word in HydraConfig.get().overrides.task if word.startswith("+norm=")]
    return f"{asked[0]}: " if asked else ""


def _show_warning(message: Warning | str, *_: Any) -> None:
    """Each warning once, as one line, without the source line that raised it."""
    warn_once(f"{WARNING}{message}")


@cache
def warn_once(line: str) -> None:
    """Print a line that was not printed before."""
    print(line, file=sys.stderr)
