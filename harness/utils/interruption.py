"""Handle Ctrl-C and SIGTERM: an exception at a safe point, and the end of the process within seconds.

A handler in Python waits for C code to return, and an exception can be swallowed on its way. Therefore a thread that is
woken by the signal itself ends the process :data:`GRACE` seconds later, if it still runs.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.util
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

INTERRUPTED = 130  # exit statuses: 128 + number of the signal, as shells report it
TERMINATED = 143
GRACE = 3.5  # seconds
_LAST_ACTS = 0.9  # seconds that the last acts have together
_FINALIZERS = 0.2
_SIGNALS = (signal.SIGINT, signal.SIGTERM)

Act = Callable[[], object]


class Terminated(KeyboardInterrupt):
    """SIGTERM, e.g. of Slurm at a time limit or of ``scancel``."""


class _State:
    """State of the signal handling of this process.

    Attributes
    ----------
    signum : of the first signal; 0 before. Further ones are ignored.
    at_once : whether the process ends in the handler, because nothing has begun yet.
    deferred : depth of blocks that must not be interrupted.
    before_raise : called in the handler before the exception is raised.
    last_acts : called, each in a thread of its own, before a process that does not end by itself is ended.
    """

    def __init__(self) -> None:
        self.signum = 0
        self.at_once = True
        self.deferred = 0
        self.before_raise: list[Act] = []
        self.last_acts: list[Act] = []


_state = _State()


def status_of(error: KeyboardInterrupt) -> int:
    """Return the exit status of an interrupt."""
    return TERMINATED if isinstance(error, Terminated) else INTERRUPTED


def interrupt_message(status: int) -> str:
    """Return the line about an interrupt, without a prefix."""
    return "terminated by SIGTERM" if status == TERMINATED else "interrupted"


def is_ending() -> bool:
    """Return whether a signal has arrived."""
    return bool(_state.signum)


def install() -> None:
    """Handle SIGINT and SIGTERM in this process from now on; call it in the main thread, before heavy imports.

    A signal that the process was started to ignore, as ``nohup`` and background jobs do, stays ignored.
    """
    if os.name == "posix":
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        threading.Thread(target=_watch, args=(reading,), daemon=True).start()
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for signum in _SIGNALS:
        if signal.getsignal(signum) is not signal.SIG_IGN:
            signal.signal(signum, _handle)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_restore)


def _restore() -> None:
    """Restore the default handlers in a fork: its signals are not its parent's."""
    signal.set_wakeup_fd(-1)
    for signum in _SIGNALS:
        if signal.getsignal(signum) is _handle:
            signal.signal(signum, signal.default_int_handler if signum == signal.SIGINT else signal.SIG_DFL)


@contextmanager
def raise_interrupts() -> Iterator[None]:
    """Raise KeyboardInterrupt or :class:`Terminated` in the block; outside of it a signal ends the process at once."""
    _state.at_once = False
    try:
        yield
    finally:
        _state.at_once = True


@contextmanager
def defer_interrupts() -> Iterator[None]:
    """Raise an interrupt that arrives during the block at its end: imports swallow exceptions, or stop half-way."""
    _state.deferred += 1
    try:
        yield
    finally:
        _state.deferred -= 1
    if _state.signum and not _state.deferred:
        raise _exception(_state.signum)


@contextmanager
def before_raise(act: Act) -> Iterator[None]:
    """Call ``act`` in the main thread between a signal and its exception."""
    _state.before_raise.append(act)
    try:
        yield
    finally:
        _state.before_raise.remove(act)


@contextmanager
def before_forced_exit(act: Act) -> Iterator[None]:
    """Call ``act`` before a process that does not end by itself is ended during the block."""
    _state.last_acts.append(act)
    try:
        yield
    finally:
        _state.last_acts.remove(act)


@contextmanager
def block_signals() -> Iterator[None]:
    """Block SIGINT and SIGTERM for processes started in the block: a terminal and Slurm send these to all."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _handle(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the interface of signal
    if _state.signum:
        return
    _state.signum = signum
    if _state.at_once:
        _end(signum)
    if not _state.deferred:
        for act in _state.before_raise:
            act()
        raise _exception(signum)


def _exception(signum: int) -> KeyboardInterrupt:
    return Terminated() if signum == signal.SIGTERM else KeyboardInterrupt()


def _watch(reading: int) -> None:
    """End the process :data:`GRACE` seconds after a signal."""
    while (signum := os.read(reading, 1)[0]) not in _SIGNALS:
        pass  # another signal with a handler
    time.sleep(GRACE)
    _within(_LAST_ACTS, _state.last_acts)
    _end(signum)


def _end(signum: int) -> None:
    """End the process now, in one line."""
    status = TERMINATED if signum == signal.SIGTERM else INTERRUPTED
    os.write(2, f"harness: {interrupt_message(status)}\n".encode())
    end_now(status)


def end_now(status: int) -> NoReturn:
    """End the process without waiting for threads, and kill its helpers: their work is not needed any more."""
    for process in multiprocessing.active_children():
        process.kill()
    _within(_FINALIZERS, [_finalize])  # else Python complains of semaphores
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _finalize() -> None:
    multiprocessing.util._run_finalizers()  # type: ignore[attr-defined]


def _within(seconds: float, acts: Sequence[Act]) -> None:
    """Call ``acts`` at the same time, and wait at most ``seconds`` for them."""
    threads = [threading.Thread(target=act, daemon=True) for act in acts]
    try:
        for thread in threads:
            thread.start()
    except RuntimeError:  # no memory for another thread: the end is what matters
        return
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
