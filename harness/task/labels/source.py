"""Source of labels: a file, a column of the wells, or the truth of a simulated screen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from harness.core.exceptions import InputError
from harness.data.files.table_files import expand_one, read_table
from harness.task.labels.coding import Coding
from harness.task.labels.entries import Entries, Labels, check_duplicates_rule, resolve_duplicates
from harness.task.labels.join import is_tested
from harness.task.labels.matrix import is_matrix, read_matrix
from harness.task.labels.tables import read_category, read_long, read_wide

_TASK = "task.assay_activity"


@dataclass(frozen=True, kw_only=True)
class LabelSource:
    """Settings of how to read labels; the parameters are those of :class:`harness.task.assay_activity.AssayActivity`.

    Raises
    ------
    InputError : settings that contradict each other.
    """

    path: str | None
    row_index: str | None
    column_index: str | None
    compound: str
    assay: str | None
    value: str | None
    column: str | None
    assays: list[str] | None
    values: Mapping[str, Any]
    duplicates: str

    def __post_init__(self) -> None:
        check_duplicates_rule(self.duplicates)
        Coding(self.values)
        if self.path is not None and self.column is not None:
            raise InputError(f"{_TASK}: path and column are both set; labels come from one of the two: drop one")
        for name in ("row_index", "column_index"):
            if getattr(self, name) is not None and self.path is None:
                raise InputError(f"{_TASK}.{name} is set without {_TASK}.path; set path to the .npz or .mtx file")

    def labels(self, wells: pd.DataFrame, planted: pd.DataFrame | None) -> Labels:
        """Return one label per compound and assay.

        Raises
        ------
        InputError : no source of labels, or whatever is wrong with it.
        """
        if self.column is not None:
            return read_category(wells[is_tested(wells)], self.column, duplicates=self.duplicates, classes=self.assays)
        if self.path is not None:
            return resolve_duplicates(self.read(self.path), duplicates=self.duplicates)
        if planted is None:
            raise InputError(
                f"assay_activity: no labels were named; set {_TASK}.path=FILE (.csv, .tsv, .parquet, .npz, .mtx) or "
                f"{_TASK}.column=COLUMN of the wells, e.g. a mechanism of action; only data=demo brings its own"
            )
        coding = Coding({"active": [1], "inactive": [0]})
        truth = read_wide(planted, coding, compound="compound", assays=self.assays, source="simulated screen")
        return resolve_duplicates(truth, duplicates=self.duplicates)

    def read(self, path: str) -> Entries:
        """Read a file of labels in the format that its name ends with."""
        file = _one(path, "path")
        coding = Coding(self.values)
        if is_matrix(file):
            return self._matrix(file, coding)
        named = [name for name in (self.assay, self.value) if name is not None]
        table = read_table(file, text=[self.compound, *([self.assay] if self.assay else [])])
        if not named:
            return read_wide(table, coding, compound=self.compound, assays=self.assays, source=str(file))
        if self.assay is None or self.value is None:
            raise InputError(
                f"{_TASK}: got assay={self.assay}, value={self.value}; a long table needs the names of both columns, "
                "a wide one neither"
            )
        return read_long(
            table,
            coding,
            compound=self.compound,
            assay=self.assay,
            value=self.value,
            assays=self.assays,
            source=str(file),
        )

    def _matrix(self, file: Path, coding: Coding) -> Entries:
        if self.row_index is None or self.column_index is None:
            raise InputError(
                f"{file}: a matrix does not say which compounds and assays it holds; set {_TASK}.row_index=FILE and "
                f"{_TASK}.column_index=FILE, tables with one line per row and per column"
            )
        return read_matrix(
            file,
            coding,
            rows=_one(self.row_index, "row_index"),
            columns=_one(self.column_index, "column_index"),
            compound=self.compound,
            assay=self.assay or "assay",
            assays=self.assays,
        )


def _one(path: str, setting: str) -> Path:
    return expand_one(path, option=f"{_TASK}.{setting}", expected="one")
