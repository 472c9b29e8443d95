"""Problems of settings in one line: the value, the expectation, the nearest name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

_MOST = 80  # characters of a value in a line
_MOST_NAMES = 25


@dataclass(frozen=True)
class Problem:
    """A line that begins with ``key``, the dotted name of the setting, and goes on with ``text``."""

    key: str
    text: str

    def __str__(self) -> str:
        return f"{self.key}{self.text}"


def format_value(value: Any) -> str:
    """Return a value as a user would write it, shortened if long; text in quotes."""
    words = {True: "true", False: "false", None: "null"}
    if value is None or isinstance(value, bool):
        return words[value]
    if isinstance(value, int) and value.bit_length() > 400:
        return f"a whole number of {int(value.bit_length() * 0.30103) + 1:,} digits"
    if isinstance(value, str):
        text = repr(value[: _MOST + 1])
    elif isinstance(value, list):
        text = f"[{', '.join(map(format_value, value[:5]))}{', ...' if len(value) > 5 else ''}]"
    elif isinstance(value, dict):
        text = f"{{{', '.join(f'{key}: {format_value(part)}' for key, part in list(value.items())[:3])}"
        text += ", ...}" if len(value) > 3 else "}"
    else:
        text = repr(value)
    return text if len(text) <= _MOST else f"{text[:_MOST]}..."


def nearest_name(name: object, names: Iterable[str]) -> str | None:
    """Return the most similar of ``names``; None if none is near."""
    text = str(name)[:200]
    candidates = list(names)
    folded = {_folded(candidate): candidate for candidate in reversed(candidates)}
    if _folded(text) in folded:
        return folded[_folded(text)]
    close = difflib.get_close_matches(_folded(text), list(folded), n=1, cutoff=0.6)
    return folded[close[0]] if close else None


def _folded(name: str) -> str:
    return name.lower().replace("-", "_")


def hint(name: object, names: Iterable[str], prefix: str = "") -> str:
    """Return ``did you mean X? ``; empty if no name is near."""
    near = nearest_name(name, names)
    return "" if near is None else f"did you mean {prefix}{near}? "


def wrong_value(key: str, value: Any, expected: str, names: Iterable[str] = ()) -> Problem:
    """Return the problem of an unexpected value; ``names`` are words to suggest."""
    guess = hint(value, names) if isinstance(value, str) else ""
    return Problem(key, f"={format_value(value)}: {guess}expected {expected}")


def unknown_key(key: str, name: object, names: Iterable[str]) -> Problem:
    """Return the problem of an unknown setting ``name`` below ``key`` (empty: at the top), which has ``names``."""
    names = list(names)
    prefix = f"{key}." if key else ""
    text = str(name)[:_MOST]
    more = f", and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    place = f"{key} has {', '.join(names[:_MOST_NAMES])}{more}" if names else f"{key} has no settings"
    place = place if key else "--help lists them"
    return Problem(f"{prefix}{text}", f": there is no such setting; {hint(name, names, prefix)}{place}")


def not_set(key: str) -> Problem:
    """Return the problem of a missing setting without a default."""
    return Problem(key, f" is not set; add {key}=VALUE")
