"""Reader of wide tables: CSV, TSV, GCT, Parquet; one file or many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd

from harness.core.arrays import Floats
from harness.core.wells_schema import MAPPABLE_TEXT
from harness.data.columns import feature_columns
from harness.data.columns.excluded_plates import included_rows
from harness.data.columns.feature_columns import FeatureSpec
from harness.data.columns.left_out_columns import left_out_rows, left_out_sentence
from harness.data.columns.metadata_join import Join, MetadataSpec, attach_all, joins
from harness.data.columns.missing_values import CHOICES
from harness.data.columns.well_roles import Rules, RuleSpec, parse_rules
from harness.data.columns.wells_table import LEVELS, drop_columns, reserved_columns, wells_table
from harness.data.conventions.columns import known_names, recognize
from harness.data.conventions.decision import decide
from harness.data.conventions.folders import row_folders
from harness.data.conventions.name_patterns import MAPPED, NamePatterns
from harness.data.conventions.names import identifiers
from harness.data.conventions.processed import names_warning, values_warning
from harness.data.conventions.table import conventions_table, lines, nameless_warning
from harness.data.files.array_columns import expand_arrays
from harness.data.files.dialect import DECIMAL_WORDS, SEPARATOR_WORDS, Dialect
from harness.data.files.file_parts import FilePart, OnDifferentFeatures, same_features
from harness.data.files.gct import NOT_FEATURES
from harness.data.files.plate_rows import PlateRows, RowsReader
from harness.data.files.single_cells import aggregate_cells, is_cell_level
from harness.data.files.table_files import expand, read_table
from harness.settings.annotated_types import FileName, Name
from harness.settings.limits import Keys, NotEmpty, OneOf
from harness.store.reading_report import ReadingReport
from harness.utils.hashing import file_sha256
from harness.utils.text import as_list, normalize_id, quoting_hint

VERSION = 3  # of this reader; part of the key of a packed screen


@dataclass(frozen=True)
class Outline:
    """Content of wide tables: ``parts``, (n_i, n_features) each, stacked vertically beside ``wells`` (n rows)."""

    source: str
    features: list[str]
    parts: list[Floats]
    wells: pd.DataFrame


class Tables(RowsReader):
    """Reader of a screen in wide tables, one row per well or image.

    Parameters
    ----------
    paths : a path or glob, or a list of them. Plates may be spread over files.
    columns : standard name (plate, well, batch, compound, site, dose, cell_count) to column; a standard name that
        is not mapped is the column of that name, if there is one. plate_regex, well_regex, site_regex: see
        :class:`harness.data.conventions.name_patterns.NamePatterns`.
    controls, poscon, empty : rules for these wells, see :meth:`harness.data.columns.well_roles.Rule.parse`.
    features : list of columns or prefixes, or a regular expression; see
        :func:`harness.data.columns.feature_columns.choose`.
    metadata : tables to left-join, see :meth:`harness.data.columns.metadata_join.Join.parse`; their columns are never
        features.
    exclude_plates : plates to leave out.
    on_missing : see :mod:`harness.data.columns.missing_values`.
    level : auto, well or image, see :func:`wells_table`; cell: rows are single cells (auto recognises them by their
        object numbers), see :func:`harness.data.files.single_cells.aggregate_cells`.
    on_different_features : see :func:`harness.data.files.file_parts.same_features`.
    separator, decimal : of CSV and TSV files, see :class:`harness.data.files.dialect.Dialect`.

    Raises
    ------
    InputError : anything wrong with options or files, in one line, when they are read.
    """

    def __init__(
        self,
        *,
        paths: FileName | Annotated[Sequence[FileName], NotEmpty()],
        columns: Annotated[Mapping[str, str | None], Keys(*MAPPED)] | None = None,
        controls: RuleSpec = None,
        poscon: RuleSpec = None,
        empty: RuleSpec = None,
        features: FeatureSpec = None,
        metadata: MetadataSpec = None,
        exclude_plates: str | int | Sequence[str | int] | None = (),
        on_missing: Annotated[str, OneOf(*CHOICES)] = "error",
        level: Annotated[str, OneOf(*LEVELS)] = "auto",
        separator: Annotated[str, OneOf(*SEPARATOR_WORDS)] = "auto",
        decimal: Annotated[str, OneOf(*DECIMAL_WORDS)] = "auto",
        on_different_features: OnDifferentFeatures = "error",
        name: Name | None = None,
    ) -> None:
        self.options: dict[str, Any] = {
            "columns": {k: v for k, v in (columns or {}).items() if v is not None},
            "controls": controls, "poscon": poscon, "empty": empty, "features": features,
            "exclude_plates": [normalize_id(plate) for plate in as_list(exclude_plates)],
            "on_missing": on_missing, "level": level, "on_different_features": on_different_features,
        }  # fmt: skip
        self.dialect = Dialect.parse(separator, decimal, setting="data.")
        self.excluded = as_list(exclude_plates)
        self.paths = paths
        self.metadata = metadata
        self.report = ReadingReport()
        self._left_out: dict[str, str] = {}
        self._name = name

    @cached_property
    def files(self) -> list[Path]:
        return expand(self.paths, option="data.paths")

    @cached_property
    def _joins(self) -> list[Join]:
        return joins(self.metadata)

    @cached_property
    def _patterns(self) -> NamePatterns:
        return NamePatterns.parse(self.options["columns"])

    @property
    def _text_columns(self) -> list[str]:
        return [
            *(self._patterns.columns.get(name, name) for name in MAPPABLE_TEXT),
            *self._patterns.searched,
            *identifiers(),
        ]

    @property
    def _keys(self) -> list[tuple[str, str]]:
        """Key columns of joins that are read as text, left and right."""
        return [key for join in self._joins for key in join.text_keys(self._patterns.columns).items()]

    def _as_written(self, rules: Rules) -> tuple[list[str], list[str]]:
        """Return columns that are text (ids, rules by values), and those that are unless all are numbers (queries)."""
        numbers = {self._patterns.columns.get(name, name) for name in ("dose", "cell_count")}
        by_value = [rule.column for rule in rules.values() if not rule.query and rule.column not in numbers]
        by_query = [column for rule in rules.values() if rule.query for column in rule.columns if column not in numbers]
        return [*self._text_columns, *by_value], by_query

    @property
    def name(self) -> str:
        """The name of the settings, else that of the file, or of the folder of several files."""
        first = self.files[0]
        return self._name or (first.name.split(".")[0] if len(self.files) == 1 else first.resolve().parent.name)

    def key(self) -> dict[str, Any]:
        """Return the hashes of all files, and the options."""
        metadata = [
            {
                "files": [file_sha256(path) for path in join.files], "on": dict(join.on), "columns": join.columns,
                "unmatched": join.unmatched, "dialect": [join.dialect.separator, join.dialect.decimal],
            }
            for join in self._joins
        ]  # fmt: skip
        folders = [list(path.resolve().parts[-3:-1]) for path in self.files] if len(self.files) > 1 else []
        files = [{"name": path.name, "sha256": file_sha256(path)} for path in self.files]
        return {
            "reader": "tables",
            "version": VERSION,
            "files": files,
            "folders": folders,
            "metadata": metadata,
            "dialect": [self.dialect.separator, self.dialect.decimal],
            "options": self.options,
        }

    @cached_property
    def _rows(self) -> PlateRows:
        outline, options = self.outline, self.options
        for warning in (names_warning(self.files), values_warning(outline.parts, outline.wells, source=outline.source)):
            if warning:
                self.report.warn(warning)
        return PlateRows(
            source=outline.source, features=outline.features, parts=outline.parts, wells=outline.wells,
            on_missing=options["on_missing"],
        )  # fmt: skip

    @cached_property
    def outline(self) -> Outline:
        """Features and wells as the files hold them, before their values are checked."""
        options = self.options
        source = str(self.files[0]) if len(self.files) == 1 else f"{self.name} ({len(self.files)} files)"
        rules = parse_rules(options, prefix="data.")
        text, written = self._as_written(rules)
        keys = [right for _, right in self._keys]
        metadata = [(join, join.read(text=[*text, *keys], written=written, report=self.report)) for join in self._joins]
        joinable = [name for _, table in metadata for name in table.columns]
        files = [self._read(path, rules, joinable) for path in self.files]
        names, parts = same_features(files, on_different=options["on_different_features"], report=self.report)
        self._report_left_out(names)
        ends = np.cumsum([len(part) for part in parts])
        meta = pd.concat([file.meta for file in files], ignore_index=True)
        columns = recognize([*meta.columns, *joinable], self._patterns.columns, source=source)
        keep = self._included(meta, columns["plate"], source) if columns["plate"] in meta else None
        meta, without_partner = attach_all(
            metadata, meta, aliases=columns, counted=keep, source=source, report=self.report
        )
        keep = self._included(meta, columns["plate"], source) if keep is None else keep
        if not keep.all():
            parts = [part[rows] for part, rows in zip(parts, np.split(keep, ends[:-1]), strict=True)]

        def where(i: int) -> str:
            row = int(np.flatnonzero(keep)[i])
            part = int(np.searchsorted(ends, row, side="right"))
            return f"{self.files[part]}, row {row - (ends[part - 1] if part else 0) + 1}"

        decision = decide(
            meta[keep].reset_index(drop=True), row_folders(files)[keep], mapped=self._patterns.columns, rules=rules,
            source=source,
        )  # fmt: skip
        wells = wells_table(
            decision.meta, decision.columns, decision.rules, level=options["level"], source=source, where=where,
            report=self.report,
            without_partner={name: mask[keep] for name, mask in without_partner.items()},
        )  # fmt: skip
        self._report_conventions(conventions_table(decision, wells))
        if warning := nameless_warning(decision, wells):
            self.report.warn(warning)
        return Outline(source, names, parts, wells)

    def _read(self, path: Path, rules: Rules, joined: Sequence[str]) -> FilePart:
        text, written = self._as_written(rules)
        text = [*text, *(left for left, _ in self._keys)]
        df = read_table(path, text=text, written=written, dialect=self.dialect, report=self.report)
        df = self._patterns.apply(df, source=str(path))
        columns = recognize([*df.columns, *joined], self._patterns.columns, source=str(path))
        keys = {left for join in self._joins for left in join.on}
        reserved = reserved_columns(columns, rules) | known_names(df.columns) | keys
        reserved |= {*self._patterns.searched, *df.attrs.get(NOT_FEATURES, ())}
        features = self.options["features"]
        df = expand_arrays(df, features=features, claimed=reserved, source=str(path), report=self.report)
        choice = feature_columns.choose(df, features, claimed=reserved, source=str(path))
        self._left_out |= choice.left_out
        X = feature_columns.values(df, choice.names, source=str(path))
        part = FilePart(path, choice.names, X, drop_columns(df, choice.names, reserved))
        level = self.options["level"]
        if level == "cell" or (level == "auto" and is_cell_level(df, columns)):
            needed = {*columns.values(), *(name for rule in rules.values() for name in rule.columns), *keys}
            part.X, part.meta = aggregate_cells(
                part.X, part.meta, columns, needed=needed, source=str(path), report=self.report
            )
        return part

    def _report_left_out(self, names: Sequence[str]) -> None:
        reasons = {name: reason for name, reason in self._left_out.items() if name not in set(names)}
        if reasons:
            self.report.note(left_out_sentence(len(names), reasons))
            self.report.add_rows("left_out_columns", left_out_rows(reasons))

    def _report_conventions(self, rows: list[dict[str, Any]]) -> None:
        self.report.add_rows("conventions", rows)
        self.report.lines(lines(rows))

    def _included(self, meta: pd.DataFrame, column: str, source: str) -> Any:
        hint = quoting_hint(self.excluded, option="data.exclude_plates")
        return included_rows(meta[column], self.options["exclude_plates"], source=source, hint=hint).to_numpy()
