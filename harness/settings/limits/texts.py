"""Limits of texts: words, patterns, paths and addresses."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from harness.settings.limits.choices import Choices

LONGEST_NAME = 255  # bytes of the name of a file, on every file system in use
LONGEST_PATH = 4095  # bytes of a path on Linux


class OneOf(Choices):
    """One of a few words."""

    @property
    def words(self) -> str:
        return ", ".join(self.values) if len(self.values) < 3 else f"one of {', '.join(self.values)}"

    def holds(self, value: Any) -> bool:
        return value in self.values


class EndsWith(Choices):
    """A name with one of these endings."""

    @property
    def words(self) -> str:
        return f"that ends with {' or '.join(self.values)}"

    def holds(self, value: Any) -> bool:
        return bool(value.lower().endswith(self.values))


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
