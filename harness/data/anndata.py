"""Reader of AnnData files (``.h5ad``): observations are wells or images, variables are features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd

from harness.core.arrays import Floats
from harness.core.exceptions import InputError
from harness.data.columns.feature_columns import FeatureSpec
from harness.data.columns.well_roles import RuleSpec
from harness.data.conventions.name_patterns import MAPPED
from harness.data.files import h5ad, h5ad_trial
from harness.data.files.annotated_matrix import ScreenOptions
from harness.data.files.plate_rows import PlateRows, RowsReader
from harness.data.files.table_files import expand_one
from harness.settings.annotated_types import FileName, Name
from harness.settings.limits import Keys
from harness.store.reading_report import ReadingReport
from harness.store.validate import check_unique
from harness.utils.hashing import file_sha256
from harness.utils.text import preview

VERSION = 1  # of this reader; part of the key of a packed screen
NAMES = "obs_names"  # column of the observations' names, unless there is one already


class AnnData(RowsReader):
    """Reader of a screen in one AnnData file, one observation per well or image.

    Parameters
    ----------
    path : the ``.h5ad`` file.
    layer : a matrix of ``layers``, or ``raw``; null: ``X``.
    obsm : a matrix of ``obsm``, such as an embedding ``X_emb``, in place of ``X``: features ``X_emb_0``, ...
    columns : standard name to column of ``obs``; the names of the observations are the column ``obs_names``.
    features : some of the variables; null: all that are named like features.
    controls, poscon, empty, exclude_plates, on_missing, level : see :class:`harness.data.tables.Tables`.

    Raises
    ------
    InputError : anything wrong with settings or file, in one line, when it is read; h5py is not installed.
    """

    def __init__(
        self,
        *,
        path: FileName,
        layer: Name | None = None,
        obsm: Name | None = None,
        columns: Annotated[Mapping[str, str | None], Keys(*MAPPED)] | None = None,
        controls: RuleSpec = None,
        poscon: RuleSpec = None,
        empty: RuleSpec = None,
        features: FeatureSpec = None,
        exclude_plates: str | int | Sequence[str | int] | None = (),
        on_missing: Literal["error", "drop_features", "impute_plate_median"] = "error",
        level: Literal["auto", "well", "image"] = "auto",
        name: Name | None = None,
    ) -> None:
        self.path = path
        self.layer = layer
        self.obsm = obsm
        self.report = ReadingReport()
        self._options = ScreenOptions.parse(
            columns=columns, controls=controls, poscon=poscon, empty=empty, features=features,
            exclude_plates=exclude_plates, on_missing=on_missing, level=level,
        )  # fmt: skip
        self._name = name

    @cached_property
    def file(self) -> Path:
        return expand_one(self.path, option="data.path", expected="one .h5ad file")

    @property
    def name(self) -> str:
        return self._name or self.file.stem

    def key(self) -> dict[str, Any]:
        """Return the hash of the file, and the settings."""
        content = {"name": self.file.name, "sha256": file_sha256(self.file)}
        options = {"layer": self.layer, "obsm": self.obsm, **self._options.as_json()}
        return {"reader": "anndata", "version": VERSION, "files": [content], "options": options}

    @cached_property
    def _rows(self) -> PlateRows:
        source = str(self.file)
        h5ad_trial.try_reading(self.file)
        with h5ad.opened(self.file) as file:
            obs = h5ad.table(h5ad.child(file, "obs", source=source), source=source)
            matrix, names = self._matrix(file, source)
            n_rows, n_features = h5ad.shape_of(matrix, source=source)
            names = names or [f"{self.obsm}_{i}" for i in range(n_features)]
            if (n_rows, n_features) != (len(obs), len(names)):
                raise InputError(
                    f"{source}: {matrix.name} has shape {(n_rows, n_features)}; expected {(len(obs), len(names))}: "
                    "observations and variables"
                )
        check_unique(names, what="variables", source=source)
        labels = list(obs.index)
        meta = obs.reset_index(drop=True)
        if NAMES not in meta:
            meta[NAMES] = pd.Series(labels, dtype=object)
        return self._options.rows(
            meta, names, self._read, source=source, where=lambda i: f"{source}, observation {labels[i]!r}",
            report=self.report,
        )  # fmt: skip

    def _read(self, rows: Sequence[int]) -> Floats:
        source = str(self.file)
        with h5ad.opened(self.file) as file:
            return h5ad.read_matrix(self._matrix(file, source)[0], rows, source=source)

    def _matrix(self, file: Any, source: str) -> tuple[Any, list[str]]:
        """Return the requested matrix and the names of its columns; no names for a matrix of ``obsm``."""
        if self.layer is not None and self.obsm is not None:
            raise InputError(f"data.layer={self.layer!r} and data.obsm={self.obsm!r}: give one of them")
        if self.obsm is not None:
            return self._member(file, "obsm", self.obsm, source), []
        variables = h5ad.child(file, "var", source=source)
        if self.layer is None:
            matrix = h5ad.child(file, "X", source=source)
        elif self.layer == "raw" and "raw" not in file.get("layers", ()):
            raw = h5ad.child(file, "raw", source=source)
            matrix, variables = h5ad.child(raw, "X", source=source), h5ad.child(raw, "var", source=source)
        else:
            matrix = self._member(file, "layers", self.layer, source)
        names = h5ad.table(variables, source=source).index
        return matrix, [str(name) for name in names]

    @staticmethod
    def _member(file: Any, group: str, name: str, source: str) -> Any:
        members = sorted(h5ad.child(file, group, source=source)) if group in file else []
        if name not in members:
            option = "data.layer" if group == "layers" else "data.obsm"
            raise InputError(f"{source}: no {option} {name!r}; found {preview(members, 20)}")
        return h5ad.child(h5ad.child(file, group, source=source), name, source=source)
