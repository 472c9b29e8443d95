"""Write a screen into a store folder, plate by plate."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from harness.core.arrays import Floats
from harness.core.exceptions import InputError
from harness.core.wells_schema import TEXT
from harness.store.checksums import checksum
from harness.store.manifest import FORMAT, write_manifest
from harness.store.reading_report import report_of
from harness.store.source import Source
from harness.store.validate import check_unique, check_wells
from harness.utils.disk_space import check_free
from harness.utils.hashing import Fingerprint
from harness.utils.text import as_text, preview


class NpyAppender:
    """A float32, C-ordered npy file that grows by plates; the header is corrected when it is closed.

    Attributes
    ----------
    checksums : one for each appended array.
    """

    def __init__(self, path: Path, n_features: int) -> None:
        self._path = path
        self._file: IO[bytes] = path.open("wb")
        self.n_features = n_features
        self.n_rows = 0
        self.checksums: list[int] = []
        self._begin = self._write_header()

    def _write_header(self) -> int:
        shape = (self.n_rows, self.n_features)
        header = {"descr": np.dtype(np.float32).str, "fortran_order": False, "shape": shape}
        self._file.seek(0)
        np.lib.format.write_array_header_1_0(self._file, header)  # leaves room for n_rows to grow
        return self._file.tell()

    def append(self, X: Floats) -> None:
        """Append the rows X, (n, n_features); InputError if there is no room for them."""
        rows = np.ascontiguousarray(X, dtype=np.float32)
        check_free(self._path.parent, rows.nbytes, "the next plate")
        self._file.write(rows.data)
        self.n_rows += len(X)
        self.checksums.append(checksum(rows))

    def close(self) -> None:
        try:
            assert self._write_header() == self._begin
        finally:
            self._file.close()


def pack(source: Source, folder: Path, *, key: dict[str, Any]) -> None:
    """Write ``source`` into the empty ``folder``: features.npy, wells.parquet, store.json, planted.npy, truth/.

    Raises
    ------
    InputError : what :mod:`harness.store.validate` refuses, no features, values that are not finite.
    """
    features, name = list(source.features()), source.name
    if not features:
        raise InputError(f"{name}: no feature columns; expected at least one")
    check_unique(features, what="features", source=name)
    content, tables = Fingerprint(), []
    written = {"features.npy": NpyAppender(folder / "features.npy", len(features))}
    try:
        for X, wells, truth in _progress(source):
            _check_plate(X, wells, features, name)
            written["features.npy"].append(X)
            content.add(np.asarray(X, dtype=np.float32))
            if truth is not None:
                if "planted.npy" not in written:
                    written["planted.npy"] = NpyAppender(folder / "planted.npy", len(features))
                written["planted.npy"].append(truth)
            tables.append(wells if "batch" in wells else wells.assign(batch=""))
    finally:
        for file in written.values():
            file.close()
    n_rows = [file.n_rows for file in written.values()]
    if n_rows[-1] != n_rows[0]:
        raise InputError(f"{name}: planted truth for {n_rows[-1]} of {n_rows[0]} rows; expected all or none")
    wells = _concatenate(tables, name)
    wells.to_parquet(folder / "wells.parquet", index=False)
    truth_tables = source.tables()
    for table_name, table in truth_tables.items():
        (folder / "truth").mkdir(exist_ok=True)
        table.to_parquet(folder / "truth" / f"{table_name}.parquet")
    manifest = {
        "format": FORMAT, "name": name, "shape": [n_rows[0], len(features)], "planted": len(written) > 1,
        "fingerprint": content.finish(wells, features), "truth": sorted(truth_tables), "provenance": key,
        "features": features, "plates": [str(table["plate"].iloc[0]) for table in tables],
        "ends": np.cumsum([len(table) for table in tables]).tolist(),
        "checksums": {file: array.checksums for file, array in written.items()},
        "report": report_of(source).as_json(),
    }  # fmt: skip
    write_manifest(folder, manifest)


def _concatenate(tables: list[pd.DataFrame], name: str) -> pd.DataFrame:
    if not tables:
        raise InputError(f"{name}: is empty: no plates; expected one row per well or image")
    wells = pd.concat(tables, ignore_index=True)
    for column in [column for column in TEXT if column in wells]:
        wells[column] = as_text(wells[column])
    plates = [str(table["plate"].iloc[0]) for table in tables]
    check_unique(plates, what="plates", source=name)
    check_wells(wells, sites="site" in wells, source=name)
    return wells


def _check_plate(X: Floats, wells: pd.DataFrame, features: list[str], name: str) -> None:
    if X.shape != (len(wells), len(features)) or not len(wells):
        raise InputError(f"{name}: got X {X.shape} for {len(wells)} rows; expected (n, {len(features)}), n > 0")
    if (wells["plate"] != wells["plate"].iloc[0]).any():
        raise InputError(f"{name}: got plates {preview(wells['plate'].unique())} at once; expected one plate at a time")
    if not np.isfinite(X).all():
        row, column = np.argwhere(~np.isfinite(X))[0]
        plate, well = wells["plate"].iloc[row], wells["well"].iloc[row]
        culprit = f"plate {plate!r}, well {well!r}, feature {features[column]!r}"
        raise InputError(f"{name}: {culprit} is {X[row, column]}; expected finite values")


def _progress(source: Source) -> Iterator[tuple[Floats, pd.DataFrame, Floats | None]]:
    """Yield the plates of ``source``, with a progress bar if stderr is a terminal."""
    columns = (TextColumn("packing {task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("plates"))
    options = {"console": Console(stderr=True), "disable": not sys.stderr.isatty(), "transient": True}
    with Progress(*columns, TimeElapsedColumn(), **cast(Any, options)) as bar:
        yield from cast(Any, bar).track(source.plates(), total=None, description=source.name)
