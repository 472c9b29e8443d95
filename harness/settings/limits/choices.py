"""Base of limits that list the possible words."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, init=False)
class Choices:
    """Words given one after the other, ``OneOf("a", "b")``."""

    values: tuple[str, ...]

    def __init__(self, *values: str) -> None:
        object.__setattr__(self, "values", values)
