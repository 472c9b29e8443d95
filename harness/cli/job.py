"""One job, with every error in one plain line: here, or in a worker of a sweep that tells how it ended."""

from __future__ import annotations

import _thread
import io
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout

from hydra.core.hydra_config import HydraConfig
from hydra.errors import InstantiationException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from harness.cli.error_messages import format_error
from harness.cli.notices import configure_process, say_once
from harness.cli.screen_error import ScreenError
from harness.cli.worker_channel import JobResult, WorkerChannel
from harness.core.exceptions import InputError, NotApplicable
from harness.program.out_of_memory import is_want_of_memory, memory_sentence
from harness.program.run_program import BAD_INPUT, CRASHED, traceback_of
from harness.utils.interruption import status_of

_LOOK = 0.3  # seconds between looks at whether the sweep was stopped

Body = Callable[[DictConfig], None]


def mistakes() -> tuple[type[Exception], ...]:
    """Return what is raised for a mistake in what was asked for; of scikit-learn's only if it was imported."""
    validation = sys.modules.get("sklearn.utils._param_validation")
    parameters = () if validation is None else (validation.InvalidParameterError,)
    return (InputError, NotApplicable, OmegaConfBaseException, InstantiationException, *parameters)


def run_job(cfg: DictConfig, body: Body) -> int:
    """Do ``body`` and return the exit status; what goes wrong is a line on stderr, the unexpected a traceback.

    Hydra sees no exception: it would print the overrides, with the passwords in them.
    """
    try:
        body(cfg)
    except mistakes() as error:
        text, label = format_error(error), "" if isinstance(error, ScreenError) else _label()
        say_once(f"harness: {label}{text.removeprefix(label)}")
        return BAD_INPUT
    except Exception as error:
        if sentence := _explained(error):
            say_once(f"harness: {_label()}{sentence}")
            return BAD_INPUT
        print(traceback_of(error), end="", file=sys.stderr)
        return CRASHED
    return 0


def run_job_in_worker(cfg: DictConfig, body: Body, mailbox: WorkerChannel) -> None:
    """The same in a worker, on its share of the cores: what it prints and how it ends goes to ``mailbox``."""
    if not mailbox.is_open:
        return
    number = int(HydraConfig.get().job.num)
    out, err = io.StringIO(), io.StringIO()
    mailbox.begin(number)
    with redirect_stdout(out), redirect_stderr(err):
        configure_process()
        try:
            with _stopped_with(mailbox), _share_of_cores():
                status = run_job(cfg, body)
        except KeyboardInterrupt as interrupt:
            status = status_of(interrupt)
    mailbox.put(number, JobResult(status, out.getvalue(), err.getvalue()))


@contextmanager
def _share_of_cores() -> Iterator[None]:
    from threadpoolctl import threadpool_limits

    from harness.utils.cpu_count import cores

    with threadpool_limits(cores()):
        yield


@contextmanager
def _stopped_with(mailbox: WorkerChannel) -> Iterator[None]:
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


def _explained(error: Exception) -> str:
    """Return a sentence on an error of this installation or machine; empty for any other."""
    if is_want_of_memory(error):
        return memory_sentence(error)
    package = str(getattr(error, "name", None) or "").partition(".")[0]
    if not isinstance(error, ModuleNotFoundError) or package in ("", "harness"):
        return ""
    extra = "'normharness[server]'" if package.startswith("psycopg") else package
    return f"{package} is not installed; pip install {extra}"


def _label() -> str:
    """Return the normalization as it was asked for."""
    asked = [word.partition("=")[2] for word in HydraConfig.get().overrides.task if word.startswith("+norm=")]
    return f"{asked[0]}: " if asked else ""
