"""Run a command as a program, with signals, output and errors handled: ``sys.exit(run_program("harness", load))``."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable
from functools import partial
from types import TracebackType

from harness.program.out_of_memory import is_out_of_memory, memory_message, ran_out_of_memory, refuse_low_limit
from harness.program.safe_output import SafeOutput, guarded_output
from harness.utils import interruption
from harness.utils.redaction import redacted

CRASHED = 1
BAD_INPUT = 2


def run_program(name: str, load: Callable[[], Callable[[], int]]) -> int:
    """Run the command that ``load`` imports and return its exit status; an error becomes one line on stderr.

    Status: what the command returns; 130 interrupted, 143 terminated; 2 if it lacked memory, or if its standard output
    could not be written; 1 with a traceback, without secrets, for an unexpected error.

    Parameters
    ----------
    name : the beginning of every line on stderr.
    load : imports the command and returns it, so that nothing heavy is imported before signals are handled.
    """
    output = guarded_output()
    if refusal := refuse_low_limit():
        _say(name, refusal)
        return BAD_INPUT
    interruption.install()
    sys.excepthook = _show
    threading.excepthook = partial(_show_of_thread, name)
    try:
        command = load()
        with interruption.raise_interrupts():
            status = command()
    except KeyboardInterrupt as interrupt:
        status = interruption.status_of(interrupt)
        _say(name, interruption.interrupt_message(status))
    except SystemExit as end:
        status = _status_of(end)
    except Exception as error:
        status = _failed(name, error)
    status = _after_output(name, status, output)
    if status in (interruption.INTERRUPTED, interruption.TERMINATED) or ran_out_of_memory():
        interruption.end_now(status)
    return status


def traceback_of(error: BaseException) -> str:
    """Return the traceback of ``error`` and of its causes, without secrets."""
    return redacted("".join(traceback.format_exception(error)))


def _failed(name: str, error: Exception) -> int:
    if is_out_of_memory(error):
        _say(name, memory_message(error))
        return BAD_INPUT
    print(traceback_of(error), end="", file=sys.stderr)
    return CRASHED


def _status_of(end: SystemExit) -> int:
    if end.code is None or isinstance(end.code, int):
        return end.code or 0
    print(redacted(str(end.code)), file=sys.stderr)
    return CRASHED


def _after_output(name: str, status: int, output: SafeOutput | None) -> int:
    if output is None:
        return status
    output.flush()
    if not output.failure:
        return status
    _say(name, f"standard output could not be written ({output.failure}); send it elsewhere, e.g. to a file: > FILE")
    return status or BAD_INPUT


def _say(name: str, line: str) -> None:
    print(f"{name}: {redacted(line)}", file=sys.stderr)


def _show_of_thread(name: str, raised: threading.ExceptHookArgs) -> None:
    if not interruption.is_ending():  # else its errors come from the interrupt
        _say(name, f"{type(raised.exc_value).__name__}: {raised.exc_value}")


def _show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:  # noqa: ARG001
    print(traceback_of(error), end="", file=sys.stderr)
