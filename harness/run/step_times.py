"""Wall time of a run by step."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager


class StepTimes:
    """Seconds by step.

    Attributes
    ----------
    seconds : sums over all blocks of a step; of blocks that run at the same time, too.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    @contextmanager
    def measure(self, step: str) -> Iterator[None]:
        """Add the wall time of the block to ``step``."""
        start = time.perf_counter()
        yield
        self.seconds[step] += time.perf_counter() - start

    def metrics(self) -> dict[str, float]:
        """Return the seconds as metrics ``time/<step>_seconds``."""
        return {f"time/{step}_seconds": seconds for step, seconds in self.seconds.items()}
