"""One job, in this process or in a worker of a sweep, with every error as one plain line."""

from __future__ import annotations

import _thread
import io
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import replace

from hydra.core.hydra_config import HydraConfig
from hydra.errors import InstantiationException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from harness.cli.error_messages import format_error
from harness.cli.notices import configure_process, print_once
from harness.cli.screen_error import ScreenError
from harness.cli.sweep_counts import FAILED
from harness.cli.worker_channel import JobResult, WorkerChannel
from harness.core.exceptions import InputError, NotApplicable
from harness.program.out_of_memory import is_out_of_memory, memory_message
from harness.program.run_program import BAD_INPUT, CRASHED, traceback_of
from harness.utils.interruption import status_of

_POLL_INTERVAL = 0.3  # seconds between checks for a stop of the sweep

Body = Callable[[DictConfig], str | None]  # returns the outcome of an evaluation (harness.cli.sweep_counts)


def user_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions raised for mistakes of the user; scikit-learn's own only if it was imported."""
    validation = sys.modules.get("sklearn.utils._param_validation")
    parameters = () if validation is None else (validation.InvalidParameterError,)
    return (InputError, NotApplicable, OmegaConfBaseException, InstantiationException, *parameters)


def run_job(cfg: DictConfig, body: Body) -> JobResult:
    """Call ``body`` and return the result; mistakes become a line on stderr, unexpected errors a traceback.

    Hydra sees no exception: it would print the overrides, with the passwords in them.
    """
    try:
        return JobResult(0, body(cfg) or "")
    except user_errors() as error:
        text, label = format_error(error), "" if isinstance(error, ScreenError) else _label()
        print_once(f"harness: {label}{text.removeprefix(label)}")
        return JobResult(BAD_INPUT, FAILED)
    except Exception as error:
        if sentence := _explained(error):
            print_once(f"harness: {_label()}{sentence}")
            return JobResult(BAD_INPUT, FAILED)
        print(traceback_of(error), end="", file=sys.stderr)
        return JobResult(CRASHED, FAILED)


def run_job_in_worker(cfg: DictConfig, body: Body, channel: WorkerChannel) -> None:
    """Call ``body`` in a worker on its share of the cores, and send the result with its output."""
    if not channel.is_open:
        return
    number = int(HydraConfig.get().job.num)
    out, err = io.StringIO(), io.StringIO()
    channel.start_job(number)
    with redirect_stdout(out), redirect_stderr(err):
        configure_process()
        try:
            with _interrupted_by(channel), _limited_threads():
                result = run_job(cfg, body)
        except KeyboardInterrupt as interrupt:
            result = JobResult(status_of(interrupt), FAILED)
    channel.send(number, replace(result, out=out.getvalue(), err=err.getvalue()))


@contextmanager
def _limited_threads() -> Iterator[None]:
    """Limit the threads of linear algebra to this process's share of the cores."""
    from threadpoolctl import threadpool_limits

    from harness.utils.cpu_count import cores

    with threadpool_limits(cores()):
        yield


@contextmanager
def _interrupted_by(channel: WorkerChannel) -> Iterator[None]:
    """Interrupt the block when the sweep is stopped."""
    done = threading.Event()

    def poll() -> None:
        while not done.wait(_POLL_INTERVAL):
            if not channel.is_open:
                _thread.interrupt_main()
                return

    thread = threading.Thread(target=poll, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _explained(error: Exception) -> str:
    """Return a sentence on an error of this installation or machine; empty for any other."""
    if is_out_of_memory(error):
        return memory_message(error)
    package = str(getattr(error, "name", None) or "").partition(".")[0]
    if not isinstance(error, ModuleNotFoundError) or package in ("", "harness"):
        return ""
    extra = "'normharness[server]'" if package.startswith("psycopg") else package
    return f"{package} is not installed; pip install {extra}"


def _label() -> str:
    """Return the normalization as the command line names it, as the beginning of a line."""
    names = [word.partition("=")[2] for word in HydraConfig.get().overrides.task if word.startswith("+norm=")]
    return f"{names[0]}: " if names else ""
