"""Left-join metadata tables (platemaps, annotations) to the wells."""

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
    """Settings of one entry of ``data.metadata``."""

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
    """Join of one or several stacked files to the wells by the columns ``on``.

    ``on`` maps columns of the wells to columns of the metadata; ``columns``: those to take (default: all);
    ``unmatched``: ``error`` or ``warn`` if rows of the wells have no partner in the metadata.
    """

    files: tuple[Path, ...]
    on: Mapping[str, str]
    columns: tuple[str, ...] | None = None
    unmatched: str = "error"
    dialect: Dialect = field(default=AUTO)

    @classmethod
    def parse(cls, spec: Mapping[str, Any], *, option: str) -> Join:
        """Parse an entry of ``data.metadata``: ``path``, ``on`` ([column, ...] or {left: right, ...}) and options.

        Options are ``columns``, ``unmatched``, and ``separator`` and ``decimal`` of
        :class:`harness.data.files.dialect.Dialect`.
        """
        expected = "path, on and, if wanted, columns, unmatched, separator, decimal"
        if not isinstance(spec, Mapping):
            raise InputError(f"{option}: got {spec!r}; expected {expected}")
        settings = {key: value for key, value in spec.items() if value is not None}
        if not _REQUIRED <= set(settings) <= _ALLOWED:
            raise InputError(f"{option}: got keys {sorted(settings)}; expected {expected}")
        on, columns, unmatched = settings["on"], settings.get("columns"), settings.get("unmatched", UNMATCHED[0])
        on = (
            {str(k): str(v) for k, v in on.items()}
            if isinstance(on, Mapping)
            else {str(k): str(k) for k in as_list(on)}
        )
        if not on:
            raise InputError(f"{option}: on is empty; name at least one column to join by")
        if unmatched not in UNMATCHED:
            raise InputError(f"{option}: got unmatched={unmatched!r}; expected one of {list(UNMATCHED)}")
        names = None if columns is None else tuple(str(c) for c in as_list(columns))
        dialect = Dialect.parse(settings.get("separator"), settings.get("decimal"), setting=f"{option}.")
        return cls(tuple(expand(settings["path"], option=f"{option}.path")), on, names, unmatched, dialect)

    def text_keys(self, aliases: Mapping[str, str | None]) -> dict[str, str]:
        """Return the pairs of ``on`` (left to right column) that are read as text: all but doses and counts."""
        numbers = {*NUMBERS, *(aliases.get(name) for name in NUMBERS)}
        return {left: right for left, right in self.on.items() if left not in numbers}

    def read(
        self, *, text: Collection[str] = (), written: Collection[str] = (), report: ReadingReport | None = None
    ) -> pd.DataFrame:
        """Read the metadata: the columns ``on`` (right names) and those to take.

        ``text``, ``written``, ``report``: see :func:`harness.data.files.table_files.read_table`.

        Raises
        ------
        InputError : an absent column.
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
        """Join the metadata's columns to ``wells``; rows without a partner hold missing values.

        Keys are compared as they are written, whole numbers as whole numbers, wells by their standard name, doses
        and counts as numbers; an empty key has no partner. ``aliases``: standard names that may be used for columns
        of ``wells``.

        Raises
        ------
        InputError : a key that is not in ``wells``, a column that exists already, a key with several rows in
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
        """Return the rows (n,) of the metadata that have a key; of equal rows only the first."""
        table = pd.concat([right.rename(i) for i, (_, right) in enumerate(keys.values())], axis=1)
        rows = table.notna().all(axis=1).to_numpy(copy=True)
        again = table.duplicated(keep=False).to_numpy() & rows
        if again.any():
            values = metadata.loc[again, new].map(str)
            repeated = pd.concat([table[again], values.set_axis(range(-len(new), 0), axis=1)], axis=1).duplicated()
            rows[np.flatnonzero(again)[repeated.to_numpy()]] = False
            contradictory = table[again & rows]
            if contradictory.duplicated().any():
                culprit = contradictory[contradictory.duplicated()].iloc[0]
                count = int((contradictory == culprit).all(axis=1).sum())
                raise InputError(
                    f"{self.source}: {count} different rows for {list(self.on.values())} = {preview(culprit, 20)} "
                    "would duplicate wells; join by more columns, or take fewer by metadata.columns"
                )
        return rows


def joins(specs: MetadataSpec) -> list[Join]:
    """Parse the entries of the option ``metadata``."""
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
    """Join all ``tables`` to ``wells``; return also the rows (n,) without a partner, by new column.

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
