"""Limits of a setting, written in the annotation of a constructor: ``n_folds: Annotated[int, AtLeast(2)]``."""

from __future__ import annotations

from typing import Any, Protocol

from harness.settings.limits.contents import Distinct, Keys, Length, NotEmpty, Rising
from harness.settings.limits.ranges import Above, AtLeast, Between, Within
from harness.settings.limits.texts import Address, EndsWith, FilePath, OneOf, Query, Regex

_ALL = (
    Above, Address, AtLeast, Between, Distinct, EndsWith, FilePath, Keys, Length, NotEmpty, OneOf, Query, Regex,
    Rising, Within,
)  # fmt: skip
LIMITS = {limit.__name__: limit for limit in _ALL}
__all__ = [
    "LIMITS", "Above", "Address", "AtLeast", "Between", "Distinct", "EndsWith", "FilePath", "Keys", "Length", "Limit",
    "NotEmpty", "OneOf", "Query", "Regex", "Rising", "Within",
]  # fmt: skip


class Limit(Protocol):
    """A condition on a value of the right type, and the words for it."""

    @property
    def words(self) -> str: ...

    def holds(self, value: Any) -> bool: ...
