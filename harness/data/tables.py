"""Reader of wide tables: CSV, TSV, Parquet; one file or many."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd

from harness.data import features as feature_columns
from harness.data.digest import file_sha256
from harness.data.features import FeatureSpec
from harness.data.fileparts import FilePart, same_features
from harness.data.files import expand, read_table
from harness.data.join import Join, MetadataSpec, joins
from harness.data.missing import CHOICES
from harness.data.reading_report import ReadingReport
from harness.data.roles import Rule, RuleSpec
from harness.data.rows import Rows
from harness.data.text import as_text, listed, one_text, some
from harness.data.wells import LEVELS, STANDARD, TEXT, claimed, required, resolve, wells_table, without
from harness.settings.limits import Keys, NotEmpty, OneOf
from harness.settings.types import FileName, Name
from harness.types import Floats, InputError

VERSION = 1  # of what this reader makes of its input


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
        paths: FileName | Annotated[Sequence[FileName], NotEmpty()],
        columns: Annotated[Mapping[str, str | None], Keys(*STANDARD)] | None = None,
        controls: RuleSpec = None,
        poscon: RuleSpec = None,
        empty: RuleSpec = None,
        features: FeatureSpec = None,
        metadata: MetadataSpec = None,
        exclude_plates: str | int | Sequence[str | int] | None = (),
        on_missing: Annotated[str, OneOf(*CHOICES)] = "error",
        level: Annotated[str, OneOf(*LEVELS)] = "auto",
        name: Name | None = None,
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

    @property
    def _text_columns(self) -> list[str]:
        return [self.options["columns"].get(name, name) for name in TEXT]

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
        options = self.options
        source = str(self.files[0]) if len(self.files) == 1 else f"{self.name} ({len(self.files)} files)"
        rules = [Rule.parse(options[what], option=f"data.{what}") for what in ("controls", "poscon", "empty")]
        text = self._text_columns
        metadata = [(join, join.read(text=text)) for join in self._joins]
        joined = [name for _, table in metadata for name in table.columns]
        files = [self._read(path, rules, joined) for path in self.files]
        names, parts = same_features(files)
        ends = np.cumsum([len(part) for part in parts])
        meta = pd.concat([file.meta for file in files], ignore_index=True)
        columns = resolve([*meta.columns, *joined], options["columns"], source=source)
        for join, table in metadata:
            meta = join.attach(meta, table, aliases=columns, source=source)
        keep = self._kept_plates(meta, columns["plate"], source)
        if not keep.all():
            parts = [part[kept] for part, kept in zip(parts, np.split(keep, ends[:-1]), strict=True)]

        def where(i: int) -> str:
            row = int(np.flatnonzero(keep)[i])
            part = int(np.searchsorted(ends, row, side="right"))
            return f"{self.files[part]}, row {row - (ends[part - 1] if part else 0) + 1}"

        wells = wells_table(
            meta[keep].reset_index(drop=True), columns, poscon=rules[1], empty=rules[2],
            controls=required(rules[0], source=source, found=meta.columns),
            level=options["level"], source=source, where=where,
        )  # fmt: skip
        return Rows(source=source, features=names, parts=parts, wells=wells, on_missing=options["on_missing"])

    def _read(self, path: Path, rules: Sequence[Rule | None], joined: Sequence[str]) -> FilePart:
        df = read_table(path, text=self._text_columns)
        columns = resolve([*df.columns, *joined], self.options["columns"], source=str(path))
        keys = {left for join in self._joins for left in join.on}
        taken = claimed(columns, rules) | keys
        names = feature_columns.choose(df, self.options["features"], claimed=taken, source=str(path))
        X = feature_columns.values(df, names, source=str(path))
        return FilePart(path, names, X, without(df, names, taken))

    def _kept_plates(self, meta: pd.DataFrame, column: str, source: str) -> Any:
        plates, excluded = as_text(meta[column]), self.options["exclude_plates"]
        unknown = [plate for plate in excluded if plate not in set(plates)]
        if unknown:
            raise InputError(f"{source}: exclude_plates names {some(unknown)}; found plates {some(plates.unique())}")
        keep = ~plates.isin(excluded).to_numpy()
        if not keep.any():
            raise InputError(f"{source}: exclude_plates leaves no plate; found {some(plates.unique())}")
        return keep
