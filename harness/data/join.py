"""Left joins of metadata tables (platemaps, annotations) to the wells."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NotRequired, TypedDict

import pandas as pd

from harness.data.files import expand, read_table, require
from harness.data.text import as_text, listed, some
from harness.settings.limits import NotEmpty
from harness.settings.types import FileName, Name
from harness.types import InputError


class JoinSettings(TypedDict):
    """An entry of ``data.metadata``."""

    path: FileName | Annotated[Sequence[FileName], NotEmpty()]
    on: Name | Annotated[Sequence[Name], NotEmpty()] | Annotated[Mapping[str, Name], NotEmpty()]
    columns: NotRequired[Name | Sequence[Name] | None]


JoinSpec = Annotated[Mapping[str, Any], JoinSettings]
MetadataSpec = JoinSpec | Sequence[JoinSpec] | None


@dataclass(frozen=True)
class Join:
    """One or several files, one above the other, joined to the wells by the columns ``on``.

    ``on`` maps columns of the wells to columns of the metadata; ``columns``: what to take (default: all).
    """

    files: tuple[Path, ...]
    on: Mapping[str, str]
    columns: tuple[str, ...] | None = None

    @classmethod
    def parse(cls, spec: Mapping[str, Any], *, option: str) -> Join:
        """``{"path": path or glob, "on": [column, ...] or {left: right, ...}, "columns": [...]}``."""
        if not isinstance(spec, Mapping):
            raise InputError(f"{option}: got {spec!r}; expected path, on and, if wanted, columns")
        given = {key: value for key, value in spec.items() if value is not None}
        if not {"path", "on"} <= set(given) <= {"path", "on", "columns"}:
            raise InputError(f"{option}: got keys {sorted(given)}; expected path, on and, if wanted, columns")
        on, columns = given["on"], given.get("columns")
        on = (
            {str(k): str(v) for k, v in on.items()} if isinstance(on, Mapping) else {str(k): str(k) for k in listed(on)}
        )
        if not on:
            raise InputError(f"{option}: on is empty; name at least one column to join by")
        taken = None if columns is None else tuple(str(c) for c in listed(columns))
        return cls(tuple(expand(given["path"], option=f"{option}.path")), on, taken)

    def read(self, *, text: Collection[str] = ()) -> pd.DataFrame:
        """The metadata: the columns ``on`` (right names) and those to take, repeated rows once.

        ``text``: columns that are not read as numbers.

        Raises
        ------
        InputError : a column that is not there, or several different rows for one key.
        """
        tables = []
        for path in self.files:
            table = read_table(path, text=text)
            right = list(self.on.values())
            require(table.columns, [*right, *(self.columns or ())], what="metadata column", source=str(path))
            tables.append(table if self.columns is None else table[list(dict.fromkeys([*right, *self.columns]))])
        return pd.concat(tables, ignore_index=True).drop_duplicates(ignore_index=True)

    @property
    def source(self) -> str:
        return str(self.files[0]) + (f" and {len(self.files) - 1} more" if len(self.files) > 1 else "")

    def attach(
        self, wells: pd.DataFrame, metadata: pd.DataFrame, *, aliases: Mapping[str, str], source: str
    ) -> pd.DataFrame:
        """``wells`` with the metadata's columns; rows without a match hold missing values.

        Keys are compared as numbers where both sides hold only numbers, else as text; an empty key matches
        nothing. ``aliases``: standard names that may be used for columns of ``wells``.

        Raises
        ------
        InputError : a key that is not in ``wells``, a column that is there already, a key with several rows in
            the metadata (rows would be duplicated), or no row with a match.
        """
        names = {left: left if left in wells else aliases.get(left, left) for left in self.on}
        require(wells.columns, list(names.values()), what="column to join by", source=source)
        new = [c for c in metadata.columns if c not in self.on.values()]
        clash = [c for c in new if c in wells.columns]
        if clash:
            raise InputError(
                f"{self.source}: columns {some(clash)} are already in {source}; choose others by metadata.columns"
            )
        keys = [_comparable(wells[names[left]], metadata[right]) for left, right in self.on.items()]
        complete = ~pd.concat([right.isna() for _, right in keys], axis=1).any(axis=1)
        rights = pd.MultiIndex.from_arrays([right[complete] for _, right in keys])
        lefts = pd.MultiIndex.from_arrays([left for left, _ in keys])
        shown = dict(self.on)
        if not rights.is_unique:
            culprit = rights[rights.duplicated()][0]
            raise InputError(
                f"{self.source}: {int((rights == culprit).sum())} different rows for {list(self.on.values())} = "
                f"{list(culprit)} would duplicate wells; join by more columns, or take fewer by metadata.columns"
            )
        position = rights.get_indexer(lefts)
        if (position < 0).all():
            raise InputError(
                f"{self.source}: matches no row of {source} by {shown}; looked for {some(lefts.unique(), 3)}, "
                f"the metadata holds {some(rights, 3)}"
            )
        found = metadata.loc[complete.to_numpy(), new].reset_index(drop=True)
        joined = found.reindex(pd.Index(position).where(position >= 0, len(found)))
        joined.index = wells.index
        return pd.concat([wells, joined], axis=1)


def joins(specs: MetadataSpec) -> list[Join]:
    """Every entry of the option ``metadata``."""
    return [Join.parse(spec, option=f"metadata[{i}]") for i, spec in enumerate(listed(specs))]


def _comparable(left: pd.Series[Any], right: pd.Series[Any]) -> tuple[pd.Series[Any], pd.Series[Any]]:
    numbers = [pd.to_numeric(side, errors="coerce") for side in (left, right)]
    if all(bool((n.notna() | s.isna()).all()) for n, s in zip(numbers, (left, right), strict=True)):
        return numbers[0].astype("float64"), numbers[1].astype("float64")
    texts = [as_text(side) for side in (left, right)]
    return texts[0].where(texts[0] != ""), texts[1].where(texts[1] != "")
