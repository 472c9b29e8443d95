"""Kinds of settings that consist of others: lists, mappings, members, and a choice of kinds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.settings.kinds import MISSING, RESERVED, Kind, Text
from harness.settings.limits import Keys, Limit
from harness.settings.problem import Problem, format_value, not_set, unknown_key, wrong_value


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
    """A member: a mapping with ``_target_``, whose settings are checked with its own schema."""

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
