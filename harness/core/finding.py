"""The numbers of an audit check."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One number of a check: ``key`` is its full metric key; ``value`` is NaN if ``reason`` says why.

    ``code`` is one word that the verdict reads, e.g. ``few_partitions``; ``reason`` is for people, no code reads it.
    """

    key: str
    value: float
    lower: float = float("nan")
    upper: float = float("nan")
    n: int = 0
    reason: str = ""
    code: str = ""
