"""Reader of wide tables: CSV, TSV, Parquet; one file or many."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness.data import features as feature_columns
from harness.data.conventions.batches import folder_batches
from harness.data.conventions.decision import check_mapped, decide, require_place
from harness.data.conventions.names import candidates, identifiers
from harness.data.conventions.table import conventions_table, lines
from harness.data.digest import file_sha256
from harness.data.features import FeatureSpec
from harness.data.fileparts import FilePart, same_features
from harness.data.files import expand, read_table
from harness.data.join import Join, joins
from harness.data.reading_report import ReadingReport
from harness.data.roles import Rule, RuleSpec
from harness.data.rows import Rows
from harness.data.text import as_text, listed, one_text, some
from harness.data.wells import TEXT, claimed, wells_table, without
from harness.types import Floats, InputError

VERSION = 2  # of what this reader makes of its input


class Tables:
    """A screen in wide tables, one row per well or image.

    Parameters
    ----------
    paths : a path or glob, or a list of them. Plates may be spread over files; all files hold the same features.
    columns : standard name (plate, well, batch, compound, site, dose, cell_count) to column; a standard name that
        is not mapped is the column of that name, where there is one.
    controls, poscon, empty : which wells these are, see :meth:`harness.data.roles.Rule.parse`.
    features : list of columns or prefixes, or a regular expression; see :func:`harness.data.features.choose`.
    metadata : tables to left-join, see :meth:`harness.data.join.Join.parse`; their columns are never features.
    exclude_plates : plates to leave out.
    on_missing : see :mod:`harness.data.missing`. level : auto, well or image, see :func:`wells_table`.

    Raises
    ------
    InputError : whatever is wrong with options or files, in one line, when they are read.
    """

    def __init__(
        self,
        *,
        paths: str | Sequence[str],
        columns: Mapping[str, str | None] | None = None,
        controls: RuleSpec = None,
        poscon: RuleSpec = None,
        empty: RuleSpec = None,
        features: FeatureSpec = None,
        metadata: Sequence[Mapping[str, Any]] | None = None,
        exclude_plates: str | int | Sequence[str | int] = (),
        on_missing: str = "error",
        level: str = "auto",
        name: str | None = None,
    ) -> None:
        self.options: dict[str, Any] = {
            "columns": {k: v for k, v in (columns or {}).items() if v is not None},
            "controls": controls, "poscon": poscon, "empty": empty, "features": features,
            "exclude_plates": [one_text(plate) for plate in listed(exclude_plates)],
            "on_missing": on_missing, "level": level,
        }  # fmt: skip
        self.paths = paths
        self.metadata = metadata
        self.report = ReadingReport()
        self._name = name

    @cached_property
    def files(self) -> list[Path]:
        return expand(self.paths, option="data.paths")

    @cached_property
    def _joins(self) -> list[Join]:
        return joins(self.metadata)

    @cached_property
    def _source(self) -> str:
        return str(self.files[0]) if len(self.files) == 1 else f"{self.name} ({len(self.files)} files)"

    @property
    def _text_columns(self) -> list[str]:
        return [*(self.options["columns"].get(name, name) for name in TEXT), *identifiers()]

    @property
    def name(self) -> str:
        """As given, else the file's name, or the folder's where there are several files."""
        first = self.files[0]
        return self._name or (first.name.split(".")[0] if len(self.files) == 1 else first.resolve().parent.name)

    def key(self) -> dict[str, Any]:
        """Hashes of all files, and the options."""
        metadata = [
            {"files": [file_sha256(path) for path in join.files], "on": dict(join.on), "columns": join.columns}
            for join in self._joins
        ]
        files = [{"name": path.name, "sha256": file_sha256(path)} for path in self.files]
        return {"reader": "tables", "version": VERSION, "files": files, "metadata": metadata, "options": self.options}

    def features(self) -> list[str]:
        return self._rows.kept

    def plates(self) -> Iterator[tuple[Floats, pd.DataFrame, None]]:
        for X, wells in self._rows.plates():
            yield X, wells, None

    def tables(self) -> dict[str, pd.DataFrame]:
        return {}

    @cached_property
    def _rows(self) -> Rows:
        options, source = self.options, self._source
        rules = {what: Rule.parse(options[what], option=f"data.{what}") for what in ("controls", "poscon", "empty")}
        metadata = [(join, join.read(text=self._text_columns)) for join in self._joins]
        joined = [name for _, table in metadata for name in table.columns]
        files = [self._read(path, list(rules.values()), joined) for path in self.files]
        names, parts = same_features(files)
        ends = np.cumsum([len(part) for part in parts])
        meta = pd.concat([file.meta for file in files], ignore_index=True)
        aliases = {name: columns[0] for name, columns in self._candidates(meta.columns).items() if columns}
        for join, table in metadata:
            meta = join.attach(meta, table, aliases=aliases, source=source)
        keep = self._kept_plates(meta, aliases["plate"], source)
        if not keep.all():
            parts = [part[kept] for part, kept in zip(parts, np.split(keep, ends[:-1]), strict=True)]

        def where(i: int) -> str:
            row = int(np.flatnonzero(keep)[i])
            part = int(np.searchsorted(ends, row, side="right"))
            return f"{self.files[part]}, row {row - (ends[part - 1] if part else 0) + 1}"

        wells = self._wells(meta[keep].reset_index(drop=True), self._folders(files)[keep], rules, where)
        return Rows(source=source, features=names, parts=parts, wells=wells, on_missing=options["on_missing"])

    def _wells(
        self, meta: pd.DataFrame, folders: pd.Series[Any], rules: Mapping[str, Rule | None], where: Callable[[int], str]
    ) -> pd.DataFrame:
        """The wells table of the columns ``meta`` that are no features; what was taken for what is reported."""
        options, source = self.options, self._source
        decision = decide(
            meta, folders.reset_index(drop=True), mapped=options["columns"], rules=rules, source=source
        )
        rule = decision.rules
        wells = wells_table(
            decision.meta, decision.columns, controls=rule["controls"], poscon=rule.get("poscon"),
            empty=rule.get("empty"), level=options["level"], source=source, where=where,
        )  # fmt: skip
        rows = conventions_table(decision, wells, options["columns"])
        self.report.add_rows("conventions", rows)
        self.report.lines(lines(rows))
        return wells

    def _read(self, path: Path, rules: Sequence[Rule | None], joined: Sequence[str]) -> FilePart:
        df = read_table(path, text=self._text_columns)
        check_mapped(self.options["columns"], [*df.columns, *joined], source=str(path))
        candidates = self._candidates([*df.columns, *joined])
        require_place(candidates, df.columns, source=str(path))
        keys = {left for join in self._joins for left in join.on}
        mapped = {f"{name} {i}": column for name, columns in candidates.items() for i, column in enumerate(columns)}
        taken = claimed(mapped, rules) | keys
        names = feature_columns.choose(df, self.options["features"], claimed=taken, source=str(path))
        X = feature_columns.values(df, names, source=str(path))
        return FilePart(path, names, X, without(df, names, taken))

    def _candidates(self, columns: Collection[str]) -> dict[str, list[str]]:
        return candidates(list(columns), self.options["columns"])

    def _folders(self, files: Sequence[FilePart]) -> pd.Series[Any]:
        """Of each row, the folder that may be its batch."""
        plates = [file.meta.reindex(columns=self._candidates(file.meta.columns)["plate"][:1]) for file in files]
        ids = [table.iloc[:, 0] if table.shape[1] else pd.Series(dtype=object) for table in plates]
        folders = folder_batches(ids, [file.path for file in files])
        return pd.Series(np.repeat(folders, [len(file.meta) for file in files]), dtype=object)

    def _kept_plates(self, meta: pd.DataFrame, column: str, source: str) -> Any:
        plates, excluded = as_text(meta[column]), self.options["exclude_plates"]
        unknown = [plate for plate in excluded if plate not in set(plates)]
        if unknown:
            raise InputError(f"{source}: exclude_plates names {some(unknown)}; found plates {some(plates.unique())}")
        keep = ~plates.isin(excluded).to_numpy()
        if not keep.any():
            raise InputError(f"{source}: exclude_plates leaves no plate; found {some(plates.unique())}")
        return keep
