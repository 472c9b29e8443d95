"""Counts of the evaluations of a sweep by their outcomes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

NEW, RERUN, SKIPPED, FAILED = OUTCOMES = ("new", "re-run", "skipped", "failed")


def format_counts(outcomes: Iterable[str]) -> str:
    """Return e.g. ``4 evaluations: 1 new, 1 re-run, 2 skipped, 0 failed``."""
    counts = Counter(outcomes)
    return f"{counts.total()} evaluations: " + ", ".join(f"{counts[outcome]} {outcome}" for outcome in OUTCOMES)
