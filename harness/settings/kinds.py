"""Kinds of values that a setting may take: each says what it expects and what is wrong with a value."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.settings.limits import Keys, Limit, NotEmpty, OneOf
from harness.settings.problem import Problem, format_value, not_set, unknown_key, wrong_value

MISSING = "???"  # what a yaml writes for a setting that the user must give
RESERVED = ("_target_", "_convert_", "_recursive_")  # keys of a node that are Hydra's
_LONGEST_TEXT = 10_000  # characters
_LARGEST = 2**63 - 1  # whole numbers beyond it fit into no array


class Kind:
    """Anything goes; base of all kinds."""

    name = "anything"
    limits: tuple[Limit, ...] = ()
    is_listed = True  # among the settings that there are

    @property
    def expected(self) -> str:
        """In words, what a value should be."""
        return " ".join([self.name, *(limit.words for limit in self.limits if limit.words)])

    def expected_of(self, value: Any) -> str:
        """Return what is said to be expected where ``value`` was got."""
        empty = value in ("", [], {}) and any(isinstance(limit, NotEmpty) for limit in self.all_limits)
        return f"{self.expected}, not empty" if empty else self.expected

    @property
    def all_limits(self) -> tuple[Limit, ...]:
        """Limits of the kind and of those that it may be instead."""
        return self.limits

    def fits(self, value: Any) -> bool:  # noqa: ARG002
        """Return whether the type is right, whatever the limits say."""
        return True

    def problems(self, key: str, value: Any) -> Iterator[Problem]:
        """Whatever is wrong with ``value``, the setting ``key``."""
        if isinstance(value, str) and value == MISSING:
            yield not_set(key)
        elif not self.fits(value) or not all(limit.holds(value) for limit in self.limits):
            yield wrong_value(key, value, self.expected_of(value))

    def restored(self, value: Any, text: Any) -> Any:  # noqa: ARG002
        """Return ``value`` as it was written, ``text``, if that is what the setting takes."""
        return value

    def child(self, name: str) -> Kind:  # noqa: ARG002
        """Return the kind of what stands under ``name`` in a mapping of this kind."""
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
    """Return whether ``text`` can be what ``value`` was read from."""
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


@dataclass(frozen=True)
class ListOf(Kind):
    """A list whose entries are of one kind."""

    item: Kind = field(default_factory=Kind)
    limits: tuple[Limit, ...] = ()

    @property
    def name(self) -> str:  # type: ignore[override]
        return "a list" if type(self.item) is Kind else f"a list [..] of {self.item.expected}"

    def fits(self, value: Any) -> bool:
        return isinstance(value, list | tuple)

    def problems(self, key: str, value: Any) -> Iterator[Problem]:
        if not self.fits(value):
            yield from super().problems(key, value)
            return
        for i, entry in enumerate(value):
            yield from self.item.problems(f"{key}[{i}]", entry)
        broken = [limit for limit in self.limits if not limit.holds(value)]
        if broken and all(not list(self.item.problems(key, entry)) for entry in value):
            yield wrong_value(key, value, self.expected_of(value))

    def restored(self, value: Any, text: Any) -> Any:
        if not self.fits(value) or not isinstance(text, list) or len(text) != len(value):
            return value
        return [self.item.restored(entry, part) for entry, part in zip(value, text, strict=True)]


@dataclass(frozen=True)
class MappingOf(Kind):
    """A mapping whose values are of one kind."""

    item: Kind = field(default_factory=Kind)
    limits: tuple[Limit, ...] = ()
    name = "a mapping, {name: value}"

    def fits(self, value: Any) -> bool:
        return isinstance(value, Mapping)

    def problems(self, key: str, value: Any) -> Iterator[Problem]:
        if not self.fits(value):
            yield from super().problems(key, value)
            return
        names = [name for limit in self.limits if isinstance(limit, Keys) for name in limit.values]
        for name, part in value.items():
            if names and name not in names:
                yield unknown_key(key, name, names)
            yield from self.item.problems(f"{key}.{name}", part)
        if not names and not all(limit.holds(value) for limit in self.limits):
            yield wrong_value(key, value, self.expected_of(value))

    def child(self, name: str) -> Kind:  # noqa: ARG002
        return self.item


@dataclass(frozen=True)
class Node(Kind):
    """A member: a mapping with ``_target_``; what its settings may be is checked with its own schema."""

    name = "a member with _target_, see conf/"

    def fits(self, value: Any) -> bool:
        return isinstance(value, Mapping) and isinstance(value.get("_target_"), str)


@dataclass(frozen=True)
class Nodes(Kind):
    """Members by name, as in groups that take a list of them."""

    name = "members by name, see conf/"

    def fits(self, value: Any) -> bool:
        return isinstance(value, Mapping)

    def problems(self, key: str, value: Any) -> Iterator[Problem]:
        if not self.fits(value):
            yield wrong_value(key, value, f"a list of members, {key}=[NAME,...]")


@dataclass(frozen=True)
class Field:
    """A setting of a member: its kind, and its default if it has one."""

    kind: Kind
    required: bool = False
    default: Any = None


@dataclass(frozen=True)
class Fields(Kind):
    """Settings by name; ``extra``: the kind of those that only a ``**`` parameter takes, None if it has none."""

    fields: Mapping[str, Field] = field(default_factory=dict)
    extra: Kind | None = None

    @property
    def name(self) -> str:  # type: ignore[override]
        return f"a mapping with some of {', '.join(self.fields)}" if self.fields else "settings by name"

    def fits(self, value: Any) -> bool:
        return isinstance(value, Mapping)

    def problems(self, key: str, value: Any) -> Iterator[Problem]:
        if not self.fits(value):
            yield wrong_value(key, value, self.expected_of(value))
            return
        prefix = f"{key}." if key else ""
        for name, part in value.items():
            if name in RESERVED:
                continue
            kind = self.fields[name].kind if name in self.fields else self.extra
            if kind is None:
                yield unknown_key(key, name, [place for place, entry in self.fields.items() if entry.kind.is_listed])
            else:
                yield from kind.problems(f"{prefix}{name}", part)
        for name, entry in self.fields.items():
            if entry.required and name not in value:
                yield not_set(f"{prefix}{name}")

    def child(self, name: str) -> Kind:
        return self.fields[name].kind if name in self.fields else self.extra or Kind()


@dataclass(frozen=True)
class AnyOf(Kind):
    """One of several kinds."""

    options: tuple[Kind, ...] = ()

    @property
    def expected(self) -> str:
        return ", or ".join(option.expected for option in self.options)

    def problems(self, key: str, value: Any) -> Iterator[Problem]:
        attempts = [list(option.problems(key, value)) for option in self.options]
        if all(attempts):
            for option, attempt in zip(self.options, attempts, strict=True):
                if isinstance(value, list | tuple | Mapping) and option.fits(value):
                    yield from attempt
                    return
            words = [word for option in self.options if isinstance(option, Text) for word in option.words]
            yield not_set(key) if value == MISSING else wrong_value(key, value, self.expected_of(value), words)

    def restored(self, value: Any, text: Any) -> Any:
        if isinstance(value, list | tuple):
            return next((option for option in self.options if option.fits(value)), Kind()).restored(value, text)
        others = [option for option in self.options if not isinstance(option, Text)]
        if any(option.fits(value) for option in others) and (self._words or text == format_value(value)):
            return value
        return next((o.restored(value, text) for o in self.options if isinstance(o, Text)), value)

    @property
    def all_limits(self) -> tuple[Limit, ...]:
        return tuple(limit for option in self.options for limit in option.limits)

    def child(self, name: str) -> Kind:
        return next((option for option in self.options if option.fits({})), Kind()).child(name)

    @property
    def _words(self) -> bool:
        """Whether the only text is one of a few words, so that a number is meant as a number."""
        return all(option.words for option in self.options if isinstance(option, Text))
