"""Writing a screen into a store folder, plate by plate."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from harness.data.digest import Fingerprint
from harness.data.source import Source
from harness.data.text import as_text, some
from harness.data.validate import check_unique, check_wells
from harness.types import Floats, InputError

FORMAT = 1
_TEXT = ("plate", "well", "batch", "role", "compound")


class Appended:
    """A float32, C-ordered npy file that grows by rows; the header is corrected when it is closed."""

    def __init__(self, path: Path, n_features: int) -> None:
        self._file: IO[bytes] = path.open("wb")
        self.n_features = n_features
        self.n_rows = 0
        self._begin = self._header()

    def _header(self) -> int:
        shape = (self.n_rows, self.n_features)
        description = {"descr": np.dtype(np.float32).str, "fortran_order": False, "shape": shape}
        self._file.seek(0)
        np.lib.format.write_array_header_1_0(self._file, description)  # leaves room for n_rows to grow
        return self._file.tell()

    def append(self, X: Floats) -> None:
        self._file.write(np.ascontiguousarray(X, dtype=np.float32).data)
        self.n_rows += len(X)

    def close(self) -> None:
        assert self._header() == self._begin
        self._file.close()


def pack(source: Source, folder: Path, *, key: dict[str, Any]) -> None:
    """Write ``source`` into the empty ``folder``: features.npy, wells.parquet, store.json, planted.npy, truth/.

    Raises
    ------
    InputError : what :mod:`harness.data.validate` refuses, no features, values that are not finite.
    """
    features, name = list(source.features()), source.name
    if not features:
        raise InputError(f"{name}: no feature columns; expected at least one")
    check_unique(features, what="features", source=name)
    content, tables = Fingerprint(), []
    written = Appended(folder / "features.npy", len(features))
    planted: Appended | None = None
    try:
        for X, wells, truth in _progress(source):
            _check_plate(X, wells, features, name)
            written.append(X)
            content.add(np.asarray(X, dtype=np.float32))
            if truth is not None:
                planted = planted or Appended(folder / "planted.npy", len(features))
                planted.append(truth)
            tables.append(wells if "batch" in wells else wells.assign(batch=""))
    finally:
        written.close()
        if planted is not None:
            planted.close()
    if planted is not None and planted.n_rows != written.n_rows:
        raise InputError(f"{name}: planted truth for {planted.n_rows} of {written.n_rows} rows; expected all or none")
    wells = _whole(tables, name)
    wells.to_parquet(folder / "wells.parquet", index=False)
    truth_tables = source.tables()
    for table_name, table in truth_tables.items():
        (folder / "truth").mkdir(exist_ok=True)
        table.to_parquet(folder / "truth" / f"{table_name}.parquet")
    description = {
        "format": FORMAT, "name": name, "shape": [written.n_rows, len(features)], "planted": planted is not None,
        "fingerprint": content.finish(wells, features), "truth": sorted(truth_tables), "provenance": key,
        "features": features,
    }  # fmt: skip
    (folder / "store.json").write_text(json.dumps(description, indent=1), "utf-8")


def _whole(tables: list[pd.DataFrame], name: str) -> pd.DataFrame:
    if not tables:
        raise InputError(f"{name}: is empty: no plates; expected one row per well or image")
    wells = pd.concat(tables, ignore_index=True)
    for column in [column for column in _TEXT if column in wells]:
        wells[column] = as_text(wells[column])
    plates = [str(table["plate"].iloc[0]) for table in tables]
    check_unique(plates, what="plates", source=name)
    check_wells(wells, sites="site" in wells, source=name)
    return wells


def _check_plate(X: Floats, wells: pd.DataFrame, features: list[str], name: str) -> None:
    if X.shape != (len(wells), len(features)) or not len(wells):
        raise InputError(f"{name}: got X {X.shape} for {len(wells)} rows; expected (n, {len(features)}), n > 0")
    if (wells["plate"] != wells["plate"].iloc[0]).any():
        raise InputError(f"{name}: got plates {some(wells['plate'].unique())} at once; expected one plate at a time")
    if not np.isfinite(X).all():
        row, column = np.argwhere(~np.isfinite(X))[0]
        plate, well = wells["plate"].iloc[row], wells["well"].iloc[row]
        culprit = f"plate {plate!r}, well {well!r}, feature {features[column]!r}"
        raise InputError(f"{name}: {culprit} is {X[row, column]}; expected finite values")


def _progress(source: Source) -> Iterator[tuple[Floats, pd.DataFrame, Floats | None]]:
    """The plates, counted on stderr where that is a terminal."""
    columns = (TextColumn("packing {task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("plates"))
    options = {"console": Console(stderr=True), "disable": not sys.stderr.isatty(), "transient": True}
    with Progress(*columns, TimeElapsedColumn(), **cast(Any, options)) as bar:
        yield from cast(Any, bar).track(source.plates(), total=None, description=source.name)
