"""Left joins of metadata tables (platemaps, annotations) to the wells."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, NotRequired, TypedDict

import numpy as np
import pandas as pd

from harness.core.arrays import Mask
from harness.core.exceptions import InputError
from harness.data.columns.join_keys import NUMBERS, comparable
from harness.data.columns.partners import JoinedRows, zeros_hint
from harness.data.files.dialect import AUTO, DECIMAL_WORDS, SEPARATOR_WORDS, Dialect
from harness.data.files.table_files import expand, read_table, require
from harness.settings.annotated_types import FileName, Name
from harness.settings.limits import NotEmpty, OneOf
from harness.store.reading_report import ReadingReport
from harness.utils.text import as_list, has_lost_digits, preview

UNMATCHED = ("error", "warn")
_REQUIRED = {"path", "on"}
_ALLOWED = {*_REQUIRED, "columns", "unmatched", "separator", "decimal"}


class JoinSettings(TypedDict):
    """An entry of ``data.metadata``."""

    path: FileName | Annotated[Sequence[FileName], NotEmpty()]
    on: Name | Annotated[Sequence[Name], NotEmpty()] | Annotated[Mapping[str, Name], NotEmpty()]
    columns: NotRequired[Name | Sequence[Name] | None]
    unmatched: NotRequired[Annotated[str, OneOf(*UNMATCHED)] | None]
    separator: NotRequired[Annotated[str, OneOf(*SEPARATOR_WORDS)] | None]
    decimal: NotRequired[Annotated[str, OneOf(*DECIMAL_WORDS)] | None]


JoinSpec = Annotated[Mapping[str, Any], JoinSettings]
MetadataSpec = JoinSpec | Sequence[JoinSpec] | None


@dataclass(frozen=True)
class Join:
    """One or several files, one above the other, joined to the wells by the columns ``on``.

    ``on`` maps columns of the wells to columns of the metadata; ``columns``: what to take (default: all);
    ``unmatched``: ``error`` or ``warn`` if rows of the wells have no partner in the metadata.
    """

    files: tuple[Path, ...]
    on: Mapping[str, str]
    columns: tuple[str, ...] | None = None
    unmatched: str = "error"
    dialect: Dialect = field(default=AUTO)

    @classmethod
    def parse(cls, spec: Mapping[str, Any], *, option: str) -> Join:
        """Return ``{"path": path or glob, "on": [column, ...] or {left: right, ...}, "columns": [...], "unmatched":
        ...}``.

        ``separator`` and ``decimal``, if given, are those of :class:`harness.data.files.dialect.Dialect`.
        """
        expected = "path, on and, if wanted, columns, unmatched, separator, decimal"
        if not isinstance(spec, Mapping):
            raise InputError(f"{option}: got {spec!r}; expected {expected}")
        given = {key: value for key, value in spec.items() if value is not None}
        if not _REQUIRED <= set(given) <= _ALLOWED:
            raise InputError(f"{option}: got keys {sorted(given)}; expected {expected}")
        on, columns, unmatched = given["on"], given.get("columns"), given.get("unmatched", UNMATCHED[0])
        on = (
            {str(k): str(v) for k, v in on.items()}
            if isinstance(on, Mapping)
            else {str(k): str(k) for k in as_list(on)}
        )
        if not on:
            raise InputError(f"{option}: on is empty; name at least one column to join by")
        if unmatched not in UNMATCHED:
            raise InputError(f"{option}: got unmatched={unmatched!r}; expected one of {list(UNMATCHED)}")
        taken = None if columns is None else tuple(str(c) for c in as_list(columns))
        dialect = Dialect.parse(given.get("separator"), given.get("decimal"), setting=f"{option}.")
        return cls(tuple(expand(given["path"], option=f"{option}.path")), on, taken, unmatched, dialect)

    def text_keys(self, aliases: Mapping[str, str | None]) -> dict[str, str]:
        """Return the entries of ``on`` that are read as text, left to right: all but doses and counts."""
        numbers = {*NUMBERS, *(aliases.get(name) for name in NUMBERS)}
        return {left: right for left, right in self.on.items() if left not in numbers}

    def read(
        self, *, text: Collection[str] = (), written: Collection[str] = (), report: ReadingReport | None = None
    ) -> pd.DataFrame:
        """Return the metadata: the columns ``on`` (right names) and those to take.

        ``text``, ``written``, ``report``: see :func:`harness.data.files.read_table`.

        Raises
        ------
        InputError : a column that is not there.
        """
        tables = []
        for path in self.files:
            table = read_table(path, text=text, written=written, dialect=self.dialect, report=report)
            right = list(self.on.values())
            require(table.columns, [*right, *(self.columns or ())], what="metadata column", source=str(path))
            tables.append(table if self.columns is None else table[list(dict.fromkeys([*right, *self.columns]))])
        return pd.concat(tables, ignore_index=True)

    @property
    def source(self) -> str:
        return str(self.files[0]) + (f" and {len(self.files) - 1} more" if len(self.files) > 1 else "")

    def attach(
        self, wells: pd.DataFrame, metadata: pd.DataFrame, *, aliases: Mapping[str, str], source: str
    ) -> JoinedRows:
        """Return ``wells`` with the metadata's columns; rows without a partner hold missing values.

        Keys are compared as they are written, whole numbers as whole numbers, wells by their standard name, doses
        and counts as numbers; an empty key has no partner. ``aliases``: standard names that may be used for columns
        of ``wells``.

        Raises
        ------
        InputError : a key that is not in ``wells``, a column that is there already, a key with several rows in
            the metadata (rows would be duplicated), or no row with a partner.
        """
        names = {left: left if left in wells else aliases.get(left, left) for left in self.on}
        require(wells.columns, list(names.values()), what="column to join by", source=source)
        new = [c for c in metadata.columns if c not in self.on.values()]
        clash = [c for c in new if c in wells.columns]
        if clash:
            raise InputError(
                f"{self.source}: columns {preview(clash)} are already in {source}; choose others by metadata.columns"
            )
        keys = {}
        for left, right in self.on.items():
            for column, place in ((wells[names[left]], source), (metadata[right], self.source)):
                if has_lost_digits(column):
                    raise InputError(
                        f"{place}: key {column.name!r} holds whole numbers stored as floating point that are too long "
                        "for it, their last digits are lost; write the column as text or as integers"
                    )
            alike = {left, *(name for name, column in aliases.items() if column == names[left])}
            keys[left] = comparable(wells[names[left]], metadata[right], alike)
        rows = self._rows_by_key(metadata, keys, new)
        rights = pd.MultiIndex.from_arrays([right[rows] for _, right in keys.values()])
        lefts = pd.MultiIndex.from_arrays([left for left, _ in keys.values()])
        position = rights.get_indexer(lefts)
        position[np.any([left.isna() for left, _ in keys.values()], axis=0)] = -1
        if (position < 0).all():
            raise InputError(
                f"{self.source}: matches no row of {source} by {dict(self.on)}; looked for "
                f"{preview(lefts.unique(), 3)}, the metadata holds {preview(rights, 3)}{zeros_hint(keys)}"
            )
        values = metadata.loc[rows, new].reset_index(drop=True)
        joined = values.reindex(pd.Index(position).where(position >= 0, len(values)))
        joined.index = wells.index
        return JoinedRows(pd.concat([wells, joined], axis=1), position >= 0, tuple(new), keys)

    def _rows_by_key(
        self, metadata: pd.DataFrame, keys: Mapping[str, tuple[pd.Series[Any], pd.Series[Any]]], new: list[str]
    ) -> Mask:
        """Return the rows (n,) of the metadata with a key, of rows that say the same of a key the first."""
        table = pd.concat([right.rename(i) for i, (_, right) in enumerate(keys.values())], axis=1)
        rows = table.notna().all(axis=1).to_numpy(copy=True)
        again = table.duplicated(keep=False).to_numpy() & rows
        if again.any():
            values = metadata.loc[again, new].map(str)
            repeated = pd.concat([table[again], values.set_axis(range(-len(new), 0), axis=1)], axis=1).duplicated()
            rows[np.flatnonzero(again)[repeated.to_numpy()]] = False
            left = table[again & rows]
            if left.duplicated().any():
                culprit = left[left.duplicated()].iloc[0]
                count = int((left == culprit).all(axis=1).sum())
                raise InputError(
                    f"{self.source}: {count} different rows for {list(self.on.values())} = {preview(culprit, 20)} "
                    "would duplicate wells; join by more columns, or take fewer by metadata.columns"
                )
        return rows


def joins(specs: MetadataSpec) -> list[Join]:
    """Return every entry of the option ``metadata``."""
    return [Join.parse(spec, option=f"metadata[{i}]") for i, spec in enumerate(as_list(specs))]


def attach_all(
    tables: Sequence[tuple[Join, pd.DataFrame]],
    wells: pd.DataFrame,
    *,
    aliases: Mapping[str, str],
    counted: Mask | None,
    source: str,
    report: ReadingReport,
) -> tuple[pd.DataFrame, dict[str, Mask]]:
    """Return ``wells`` with the columns of all ``tables``, and for each new column the rows (n,) without a partner.

    ``counted``: the rows (n,) that matter, others may lack a partner; None: all.

    Raises
    ------
    InputError : as :meth:`Join.attach`, and for rows without a partner if the table's ``unmatched`` is ``error``.
    """
    without_partner: dict[str, Mask] = {}
    for join, table in tables:
        rows = join.attach(wells, table, aliases=aliases, source=source)
        rows.report_partners(
            counted=counted, refuse=join.unmatched == "error", file=join.files[0], report=report,
            setting="unmatched: warn in that entry of data.metadata",
        )  # fmt: skip
        without_partner |= dict.fromkeys(rows.columns, ~rows.has_partner)
        wells = rows.table
    return wells, without_partner
