"""A pool of threads that an interrupt does not wait for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from types import TracebackType


class InterruptibleThreads(ThreadPoolExecutor):
    """Threads whose work may take minutes: if the block is interrupted, it is left at once and what runs is given up.

    The process ends soon after (:mod:`harness.utils.interruption`).
    """

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for all work, unless the block was interrupted."""
        interrupted = isinstance(error, KeyboardInterrupt)
        self.shutdown(wait=not interrupted, cancel_futures=interrupted)
