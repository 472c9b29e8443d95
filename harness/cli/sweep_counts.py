"""What became of the jobs of a sweep, counted over all processes that do them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.utils.temporary_folder import temporary_folder, writing_to

OUTCOMES = ("new", "again", "skipped", "failed")
_FILE = "HARNESS_TALLY"  # an environment variable, which processes that help inherit


@contextmanager
def count_outcomes() -> Iterator[Counter[str]]:
    """Yield a counter that is filled, from all processes that began within the block, when the block ends."""
    counts: Counter[str] = Counter()
    with temporary_folder() as folder:
        path = folder / "tally"
        with writing_to(folder):
            path.touch()
        os.environ[_FILE] = str(path)
        try:
            yield counts
        finally:
            del os.environ[_FILE]
            counts.update(path.read_text("utf-8").split())


def count(outcome: str) -> None:
    """One more of ``outcome``; nowhere outside a :func:`count_outcomes`."""
    if path := os.environ.get(_FILE):
        with Path(path).open("a", encoding="utf-8") as file:  # one write of a few bytes at the end: never torn
            file.write(f"{outcome}\n")


def format_counts(counts: Counter[str]) -> str:
    """Return E.g. ``4 evaluations: 1 new, 1 again, 2 skipped, 0 failed``."""
    return f"{counts.total()} evaluations: " + ", ".join(f"{counts[outcome]} {outcome}" for outcome in OUTCOMES)
