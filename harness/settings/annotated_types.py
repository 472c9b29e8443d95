"""Annotated types of settings that many members share."""

from __future__ import annotations

from typing import Annotated

from harness.settings.limits import Above, Address, AtLeast, Between, FilePath, NotEmpty, Query, Regex

Seed = Annotated[int, Between(0, 2**32 - 1)]
Count = Annotated[int, Between(1, 1_000_000)]
Folds = Annotated[int, Between(2, 1000)]
Share = Annotated[float, Between(0, 1)]
Positive = Annotated[float, Above(0)]
NotNegative = Annotated[float, AtLeast(0)]
Name = Annotated[str, NotEmpty()]
FileName = Annotated[str, FilePath()]
Pattern = Annotated[str, NotEmpty(), Regex()]
QueryText = Annotated[str, Query()]
StoreAddress = Annotated[str, Address()]
