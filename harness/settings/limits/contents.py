"""Limits of the contents of lists, mappings and texts."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from harness.settings.limits.choices import Choices


class Keys(Choices):
    """A mapping with some of these keys and no others."""

    @property
    def words(self) -> str:
        return f"with some of {', '.join(self.values)}"

    def holds(self, value: Any) -> bool:
        return set(value) <= set(self.values)


@dataclass(frozen=True)
class NotEmpty:
    """Text, a list or a mapping with something in it."""

    words = ""  # named only for a value that is empty

    def holds(self, value: Any) -> bool:
        return bool(value.strip() if isinstance(value, str) else value)


@dataclass(frozen=True)
class Rising:
    """A list of numbers, each above the one before."""

    @property
    def words(self) -> str:
        return "in rising order"

    def holds(self, value: Any) -> bool:
        return all(low < high for low, high in pairwise(value))


@dataclass(frozen=True)
class Length:
    """A list of ``n`` entries."""

    n: int

    @property
    def words(self) -> str:
        return f"with {self.n} entries"

    def holds(self, value: Any) -> bool:
        return len(value) == self.n


@dataclass(frozen=True)
class Distinct:
    """A list without repetition."""

    @property
    def words(self) -> str:
        return "each named once"

    def holds(self, value: Any) -> bool:
        return len(set(map(str, value))) == len(value)
