"""Kinds of single values of a setting: each describes the values that it expects, and the problem with others."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from harness.settings.limits import Limit, NotEmpty, OneOf
from harness.settings.problem import Problem, not_set, wrong_value

MISSING = "???"  # in a yaml, for a setting that the user must set
RESERVED = ("_target_", "_convert_", "_recursive_")  # keys of a node that are Hydra's
_LONGEST_TEXT = 10_000  # characters
_LARGEST = 2**63 - 1  # whole numbers beyond it fit into no array


class Kind:
    """Any value; base of all kinds."""

    name = "anything"
    limits: tuple[Limit, ...] = ()
    is_listed = True  # among the names of settings

    @property
    def expected(self) -> str:
        """Words for the expected value."""
        return " ".join([self.name, *(limit.words for limit in self.limits if limit.words)])

    def expected_of(self, value: Any) -> str:
        """Return words for the value that was expected in place of ``value``."""
        empty = value in ("", [], {}) and any(isinstance(limit, NotEmpty) for limit in self.all_limits)
        return f"{self.expected}, not empty" if empty else self.expected

    @property
    def all_limits(self) -> tuple[Limit, ...]:
        """Limits of the kind and of its alternatives."""
        return self.limits

    def fits(self, value: Any) -> bool:  # noqa: ARG002
        """Return whether the type is right; limits are not checked."""
        return True

    def problems(self, key: str, value: Any) -> Iterator[Problem]:
        """Yield the problems of ``value``, the setting ``key``."""
        if isinstance(value, str) and value == MISSING:
            yield not_set(key)
        elif not self.fits(value) or not all(limit.holds(value) for limit in self.limits):
            yield wrong_value(key, value, self.expected_of(value))

    def restored(self, value: Any, text: Any) -> Any:  # noqa: ARG002
        """Return ``text``, the value as it was written, if the setting takes text; else ``value``."""
        return value

    def child(self, name: str) -> Kind:  # noqa: ARG002
        """Return the kind of the value of ``name`` in a mapping of this kind."""
        return Kind()


@dataclass(frozen=True)
class Null(Kind):
    """``null``."""

    name = "null"

    def fits(self, value: Any) -> bool:
        return value is None


@dataclass(frozen=True)
class Boolean(Kind):
    """``true`` or ``false``, and no other word for it: ``no`` and ``off`` are text, which counts as true."""

    name = "true or false"

    def fits(self, value: Any) -> bool:
        return isinstance(value, bool)


@dataclass(frozen=True)
class Integer(Kind):
    """A whole number."""

    limits: tuple[Limit, ...] = ()
    name = "a whole number"

    def fits(self, value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _LARGEST


@dataclass(frozen=True)
class Number(Kind):
    """A finite number."""

    limits: tuple[Limit, ...] = ()
    name = "a number"

    def fits(self, value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return abs(value) <= _LARGEST if isinstance(value, int) else math.isfinite(value)


@dataclass(frozen=True)
class Text(Kind):
    """Text, or one of a few words."""

    limits: tuple[Limit, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(word for limit in self.limits if isinstance(limit, OneOf) for word in limit.values)

    @property
    def expected(self) -> str:
        if self.words:
            return " ".join(limit.words for limit in self.limits)
        return " ".join(["text", *(limit.words for limit in self.limits if limit.words)])

    def fits(self, value: Any) -> bool:
        return isinstance(value, str) and len(value) <= _LONGEST_TEXT and "\0" not in value

    def problems(self, key: str, value: Any) -> Iterator[Problem]:
        for problem in super().problems(key, value):
            quote = "; put it in quotes" if isinstance(value, int | float) and not self.words else ""
            long = isinstance(value, str) and len(value) > _LONGEST_TEXT
            limit = f" of at most {_LONGEST_TEXT:,} characters, got {len(value):,}" if long else ""
            expected = f"{self.expected_of(value)}{limit}{quote}"
            yield problem if value == MISSING else wrong_value(key, value, expected, self.words)

    def restored(self, value: Any, text: Any) -> Any:
        fits = isinstance(value, int | float) and isinstance(text, str) and not self.words
        return text if fits and _stands_for(text, value) else value


def _stands_for(text: str, value: float | bool) -> bool:
    """Return whether ``value`` can have been read from ``text``."""
    if isinstance(value, bool):
        return text.lower() in (("true", "yes", "on") if value else ("false", "no", "off"))
    digits = text.replace("_", "")
    for read in (int, float, lambda digits: int(digits, 0), lambda digits: int(digits, 8)):
        try:
            if read(digits) == value:
                return True
        except ValueError:
            continue
    return ":" in digits or (math.isnan(value) and "nan" in digits.lower()) or "inf" in digits.lower()
