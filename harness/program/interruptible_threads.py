"""Thread pool that an interrupt does not wait for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from types import TracebackType


class InterruptibleThreads(ThreadPoolExecutor):
    """Thread pool for work of minutes: an interrupt leaves the block at once and abandons running work.

    The process ends soon after (:mod:`harness.utils.interruption`).
    """

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for all work, unless the block was interrupted."""
        interrupted = isinstance(error, KeyboardInterrupt)
        self.shutdown(wait=not interrupted, cancel_futures=interrupted)
