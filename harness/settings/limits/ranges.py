"""Limits of numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Above:
    """A number above ``low``, and at most ``high`` if there is one."""

    low: float
    high: float | None = None

    @property
    def words(self) -> str:
        return f"above {self.low:,}" + ("" if self.high is None else f", at most {self.high:,}")

    def holds(self, value: Any) -> bool:
        return bool(value > self.low and (self.high is None or value <= self.high))


@dataclass(frozen=True)
class AtLeast:
    """A number from ``low`` on."""

    low: float

    @property
    def words(self) -> str:
        return f"from {self.low:,} on"

    def holds(self, value: Any) -> bool:
        return bool(value >= self.low)


@dataclass(frozen=True)
class Between:
    """A number from ``low`` to ``high``, both included."""

    low: float
    high: float

    @property
    def words(self) -> str:
        return f"from {self.low:,} to {self.high:,}"

    def holds(self, value: Any) -> bool:
        return bool(self.low <= value <= self.high)


@dataclass(frozen=True)
class Within:
    """A number above ``low`` and below ``high``, both excluded."""

    low: float
    high: float

    @property
    def words(self) -> str:
        return f"above {self.low:,} and below {self.high:,}"

    def holds(self, value: Any) -> bool:
        return bool(self.low < value < self.high)
