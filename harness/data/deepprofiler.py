"""Reader of the folder of a DeepProfiler project: features of single cells, one npz file per site.

Layout: ``inputs/metadata/index.csv`` (Metadata_Plate, Metadata_Well, Metadata_Site, treatments, ...) and
``outputs/<experiment>/features/<plate>/<well>/<site>.npz``, with the array ``features`` (cells, n_features); no file
for a site without cells (github.com/cytomining/DeepProfiler, deepprofiler/learning/profiling.py). Earlier versions
wrote ``<plate>/<well>_<site>.npz`` (pycytominer reads these) and ``<plate>_<well>_<site>.npz`` with the array ``f``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import pandas as pd

from harness.core.exceptions import InputError
from harness.core.wells_schema import MAPPABLE_TEXT
from harness.data.columns.well_roles import RuleSpec
from harness.data.columns.wells_table import resolve_columns
from harness.data.conventions.name_patterns import MAPPED
from harness.data.files.annotated_matrix import ScreenOptions
from harness.data.files.deepprofiler_folder import Project, locate
from harness.data.files.deepprofiler_sites import COLUMNS, Aggregate, Site, read_site, stacked, words
from harness.data.files.plate_rows import PlateRows, RowsReader
from harness.data.files.single_cells import CELL_COUNT
from harness.data.files.table_files import read_table
from harness.settings.annotated_types import FileName, Name
from harness.settings.limits import Keys
from harness.store.reading_report import ReadingReport
from harness.utils.hashing import file_sha256
from harness.utils.text import as_text, preview

VERSION = 1  # of this reader; part of the key of a packed screen
WITHOUT_CELLS = "sites_without_cells"  # table of the report


class DeepProfiler(RowsReader):
    """Reader of a screen in the output of DeepProfiler, one row per site: the median or mean over its cells.

    Parameters
    ----------
    path : the project's folder, that of an experiment, or that of its features.
    experiment : a folder of ``outputs``; null: the only one.
    index : the table of sites; null: ``inputs/metadata/index.csv`` of the project.
    aggregate : ``median`` or ``mean`` over the cells of a site.
    columns : standard name to column of the index; plate, well and site are ``Metadata_Plate`` and so on.
    controls, poscon, empty, exclude_plates, on_missing : see :class:`harness.data.tables.Tables`.

    Raises
    ------
    InputError : anything wrong with settings, index or files, in one line that names plate, well and site.
    """

    def __init__(
        self,
        *,
        path: FileName,
        experiment: Name | None = None,
        index: FileName | None = None,
        aggregate: Aggregate = "median",
        columns: Annotated[Mapping[str, str | None], Keys(*MAPPED)] | None = None,
        controls: RuleSpec = None,
        poscon: RuleSpec = None,
        empty: RuleSpec = None,
        exclude_plates: str | int | Sequence[str | int] | None = (),
        on_missing: Literal["error", "drop_features", "impute_plate_median"] = "error",
        name: Name | None = None,
    ) -> None:
        self.path = path
        self.experiment = experiment
        self.index = index
        self.aggregate = aggregate
        self.report = ReadingReport()
        mapped = {name: column for name, column in (columns or {}).items() if column is not None}
        self._options = ScreenOptions.parse(
            columns={**COLUMNS, **mapped}, controls=controls, poscon=poscon, empty=empty, features=None,
            exclude_plates=exclude_plates, on_missing=on_missing, level="auto",
        )  # fmt: skip
        self._name = name

    @cached_property
    def project(self) -> Project:
        return locate(self.path, experiment=self.experiment, index=self.index)

    @property
    def name(self) -> str:
        return self._name or self.project.name

    def key(self) -> dict[str, Any]:
        """Return a hash of the index and one of all files of features, and the settings."""
        folder = self.project.features
        content = hashlib.sha256()
        for file in self.project.files:
            content.update(f"{file.relative_to(folder)}\0{file_sha256(file)}\n".encode(errors="surrogateescape"))
        return {
            "reader": "deepprofiler", "version": VERSION, "index": file_sha256(self.project.index),
            "files": {"number": len(self.project.files), "sha256": content.hexdigest()},
            "options": {"aggregate": self.aggregate, **self._options.as_json()},
        }  # fmt: skip

    @cached_property
    def _rows(self) -> PlateRows:
        if self.aggregate not in get_args(Aggregate):
            raise InputError(f"data.aggregate: got {self.aggregate!r}; expected one of {list(get_args(Aggregate))}")
        source = str(self.project.index)
        index, columns = self._index(source)
        places = _places(index, columns, source)
        files = [self.project.file_of(place) for place in places]
        self._report_unlisted(files)
        read = [read_site(file, place, self.aggregate) for file, place in zip(files, places, strict=True)]
        filled = [i for i, site in enumerate(read) if site is not None]
        sites = [site for site in read if site is not None]
        if not sites:
            raise InputError(
                f"{source}: {self.project.features} holds no cells of any of {len(places)} sites, such as "
                f"{words(places[0])}; its files are {preview([file.name for file in self.project.files], 3)}"
            )
        X = stacked([site.middle for site in sites], [places[i] for i in filled], source)
        self._report_sites(places, filled, sites)
        meta = index.iloc[filled].reset_index(drop=True)
        if CELL_COUNT not in columns and CELL_COUNT not in meta:
            meta[CELL_COUNT] = [site.n_cells for site in sites]
        return replace(self._options, exclude_plates=()).rows(
            meta, [f"feature_{i}" for i in range(X.shape[1])], lambda rows: X[rows], source=source,
            where=lambda i: f"{source}, {words(places[filled[i]])}", report=self.report,
        )  # fmt: skip

    def _index(self, source: str) -> tuple[pd.DataFrame, dict[str, str]]:
        """Return the rows of the plates that are not excluded, and the column of each standard name."""
        mapped = self._options.columns
        index = read_table(
            self.project.index, text=[mapped[name] or name for name in (*COLUMNS, *MAPPABLE_TEXT) if name in mapped]
        )
        columns = resolve_columns(list(index.columns), mapped, source=source)
        return index[self._options.included(index, columns["plate"], source=source)].reset_index(drop=True), columns

    def _report_unlisted(self, files: Sequence[Path | None]) -> None:
        unlisted = sorted(set(self.project.files) - set(files))
        if unlisted and not self._options.exclude_plates:
            names = [file.relative_to(self.project.features).as_posix() for file in unlisted]
            self.report.warn(
                f"{len(names)} of {len(self.project.files)} files of features belong to no site of "
                f"{self.project.index} and are not read: {preview(names, 3)}"
            )

    def _report_sites(self, places: Sequence[Sequence[str]], filled: Sequence[int], sites: Sequence[Site]) -> None:
        counts = [site.n_cells for site in sites]
        self.report.note(
            f"{len(sites)} sites of {min(counts)} to {max(counts)} cells; the {self.aggregate} over the cells of each "
            "was taken"
        )
        n_missing = sum(site.n_missing for site in sites)
        if n_missing:
            self.report.warn(
                f"{n_missing} values of single cells are missing and were left out of the {self.aggregate}"
            )
        empty = [places[i] for i in sorted(set(range(len(places))) - set(filled))]
        if empty:
            self.report.warn(
                f"{len(empty)} of {len(places)} sites of {self.project.index} have no cells (no file of features, or "
                f"an empty one) and are left out, e.g. {words(empty[0])}"
            )
            self.report.add_rows(WITHOUT_CELLS, [dict(zip(COLUMNS, place, strict=True)) for place in empty])


def _places(index: pd.DataFrame, columns: Mapping[str, str], source: str) -> list[tuple[str, ...]]:
    """Return plate, well and site of each row, as written."""
    absent = [name for name in COLUMNS if name not in columns]
    if absent:
        raise InputError(
            f"{source}: no column {COLUMNS[absent[0]]!r}; found {preview(index, 20)}; set columns.{absent[0]}"
        )
    return list(zip(*(as_text(index[columns[name]]) for name in COLUMNS), strict=True))
