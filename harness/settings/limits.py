"""Limits of a setting, written in the annotation of a constructor: ``n_folds: Annotated[int, AtLeast(2)]``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any, Protocol

LONGEST_NAME = 255  # bytes of the name of a file, on every file system in use
LONGEST_PATH = 4095  # bytes of a path on Linux


class Limit(Protocol):
    """A condition on a value of the right type, and the words for it."""

    @property
    def words(self) -> str: ...

    def holds(self, value: Any) -> bool: ...


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


@dataclass(frozen=True, init=False)
class OneOf:
    """One of a few words."""

    values: tuple[str, ...]

    def __init__(self, *values: str) -> None:
        object.__setattr__(self, "values", values)

    @property
    def words(self) -> str:
        return ", ".join(self.values) if len(self.values) < 3 else f"one of {', '.join(self.values)}"

    def holds(self, value: Any) -> bool:
        return value in self.values


@dataclass(frozen=True, init=False)
class Keys:
    """A mapping with some of these keys and no others."""

    values: tuple[str, ...]

    def __init__(self, *values: str) -> None:
        object.__setattr__(self, "values", values)

    @property
    def words(self) -> str:
        return f"with some of {', '.join(self.values)}"

    def holds(self, value: Any) -> bool:
        return set(value) <= set(self.values)


@dataclass(frozen=True)
class NotEmpty:
    """Text, a list or a mapping with something in it."""

    words = ""  # said only of a value that is empty

    def holds(self, value: Any) -> bool:
        return bool(value.strip() if isinstance(value, str) else value)


@dataclass(frozen=True)
class Regex:
    """Text that :mod:`re` can compile."""

    @property
    def words(self) -> str:
        return "that is a regular expression"

    def holds(self, value: Any) -> bool:
        try:
            re.compile(value)
        except (re.error, OverflowError, RecursionError):
            return False
        return True


@dataclass(frozen=True)
class Query:
    """Text that can be a query: it names a column."""

    @property
    def words(self) -> str:
        return "that is a query, e.g. \"Compound == 'DMSO'\""

    def holds(self, value: Any) -> bool:
        return re.search(r"[^\W\d]", value) is not None


@dataclass(frozen=True)
class FilePath:
    """The name of a file or folder that a file system can hold."""

    @property
    def words(self) -> str:
        return "that names a file or folder"

    def holds(self, value: Any) -> bool:
        parts = value.split("/")
        try:
            longest = max(len(part.encode()) for part in parts)
        except UnicodeEncodeError:
            return False
        fits = longest <= LONGEST_NAME and len(value.encode()) <= LONGEST_PATH
        return bool(fits and value.strip() and value.isprintable())


@dataclass(frozen=True)
class Address:
    """The address of a database or a server; a database in memory would be lost with the process."""

    @property
    def words(self) -> str:
        return "that is an address, e.g. sqlite:///mlruns/mlflow.db or http://HOST:5000"

    def holds(self, value: Any) -> bool:
        if value == "databricks":
            return True
        scheme, separator, rest = value.partition("://")
        named = re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme) is not None and rest.strip("/") != ""
        if not (separator and named and value.isprintable() and len(value) <= LONGEST_PATH):
            return False
        in_memory = ":memory:" in rest or "mode=memory" in rest
        return not scheme.startswith("sqlite") or (rest.startswith("/") and not in_memory)


@dataclass(frozen=True, init=False)
class EndsWith:
    """A name with one of these endings."""

    values: tuple[str, ...]

    def __init__(self, *values: str) -> None:
        object.__setattr__(self, "values", values)

    @property
    def words(self) -> str:
        return f"that ends with {' or '.join(self.values)}"

    def holds(self, value: Any) -> bool:
        return bool(value.lower().endswith(self.values))


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
    """A list with so many entries."""

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


LIMITS = {
    kind.__name__: kind
    for kind in chain(
        (Above, AtLeast, Between, Within, OneOf, Keys, NotEmpty, Regex, Query),
        (FilePath, Address, EndsWith, Rising, Length, Distinct),
    )
}
