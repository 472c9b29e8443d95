"""Reader of an npz file with the arrays ``features``, ``names`` and ``sids``."""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd

from harness.core.exceptions import InputError
from harness.data.columns.missing_values import CHOICES
from harness.data.columns.well_roles import Rule
from harness.data.columns.wells_table import wells_table
from harness.data.files.npz_member import npz_errors
from harness.data.files.plate_rows import PlateRows, RowsReader
from harness.data.files.table_files import expand_one
from harness.settings.annotated_types import FileName, Name
from harness.settings.limits import OneOf
from harness.store.reading_report import ReadingReport
from harness.utils.hashing import file_sha256
from harness.utils.text import normalize_id, preview

VERSION = 1  # of this reader; part of the key of a packed screen
_NAME = re.compile(r"(?P<plate>.+?)_(?P<well>[A-Za-z]{1,2}\d{1,2})(?:_.*)?")


class Npz(RowsReader):
    """Reader of a screen in one npz file, one row per well or image.

    Parameters
    ----------
    path : file with the arrays ``features`` (n, n_features), ``names`` (n,) and, if known, ``sids`` (n,): the
        sample of each row, which becomes ``compound``. A name is plate and well, ``24772_m06``, with ``DMSO`` if
        the well is a negative control (``24772_m06_DMSO``). Several rows of a well are its images.
    on_missing : see :mod:`harness.data.columns.missing_values`.

    Raises
    ------
    InputError : the file is absent, corrupt, needs pickle, lacks an array, or holds arrays or names of another form.
    """

    def __init__(
        self, *, path: FileName, on_missing: Annotated[str, OneOf(*CHOICES)] = "error", name: Name | None = None
    ) -> None:
        self.path = path
        self.on_missing = on_missing
        self.report = ReadingReport()
        self._name = name

    @cached_property
    def file(self) -> Path:
        return expand_one(self.path, option="data.path", expected="one npz file")

    @property
    def name(self) -> str:
        return self._name or self.file.stem

    def key(self) -> dict[str, Any]:
        """Return the hash of the file, and the options."""
        content = {"name": self.file.name, "sha256": file_sha256(self.file)}
        return {"reader": "npz", "version": VERSION, "files": [content], "options": {"on_missing": self.on_missing}}

    def n_bytes(self) -> int:
        return sum(4 * part.size for part in self._rows.parts)

    @cached_property
    def _rows(self) -> PlateRows:
        source, arrays = str(self.file), _load(self.file)
        X, names = arrays["features"], arrays["names"]
        if X.ndim != 2 or X.dtype.kind not in "fiu" or not X.size:
            raise InputError(f"{source}: features has shape {X.shape}, {X.dtype}; expected numbers (n, n_features)")
        for name in [name for name in ("names", "sids") if name in arrays]:
            if arrays[name].shape != (len(X),):
                raise InputError(
                    f"{source}: {name} has shape {arrays[name].shape}, features {X.shape}; expected ({len(X)},)"
                )
        meta = _parse(names, source)
        columns = {"plate": "plate", "well": "well"}
        if "sids" in arrays:
            meta["compound"] = _decoded(arrays["sids"], f"{source}: sids")
            columns["compound"] = "compound"
        several = bool(meta.duplicated(["plate", "well"]).any())
        rule = Rule("names with DMSO", column="control", values=("True",))
        wells = wells_table(
            meta, columns, {"controls": rule}, level="image" if several else "well",
            source=source, where=lambda i: f"{source}, row {i + 1}",
        ).drop(columns="control")  # fmt: skip
        with np.errstate(over="ignore"):
            X = np.ascontiguousarray(X, dtype=np.float32)
        labels = [f"f{i}" for i in range(X.shape[1])]
        return PlateRows(source=source, features=labels, parts=[X], wells=wells, on_missing=self.on_missing)


def _load(path: Path) -> dict[str, Any]:
    if path.stat().st_size == 0:
        raise InputError(f"{path}: is empty: 0 bytes; expected an npz file")
    with npz_errors(str(path)):
        file = np.load(path, allow_pickle=False)
        if not isinstance(file, np.lib.npyio.NpzFile):
            raise InputError(f"{path}: holds a single array; expected an npz with features, names (and sids)")
        with file:
            absent = [name for name in ("features", "names") if name not in file.files]
            if absent:
                raise InputError(f"{path}: no array {absent}; found {file.files}")
            return {name: file[name] for name in ("features", "names", "sids") if name in file.files}


def _decoded(names: Any, source: str) -> list[str]:
    try:
        texts = [name.decode() if isinstance(name, bytes) else normalize_id(name) for name in names.tolist()]
        "".join(texts).encode()  # surrogates cannot be written to any file
        return texts
    except UnicodeError as error:
        raise InputError(f"{source} hold text that is not Unicode ({error}); save it as str") from error


def _parse(names: Any, source: str) -> pd.DataFrame:
    """Parse names like ``24772_m06_DMSO`` into columns plate, well and control (bool)."""
    written = _decoded(names, f"{source}: names")
    control = ["dmso" in name.lower() for name in written]
    matches = [_NAME.fullmatch(re.sub("_*DMSO", "", name, flags=re.IGNORECASE).strip("_")) for name in written]
    wrong = [i for i, match in enumerate(matches) if match is None]
    if wrong:
        raise InputError(
            f"{source}, row {wrong[0] + 1}: {len(wrong)} names are not plate and well: "
            f"{preview(written[i] for i in wrong)}; expected e.g. '24772_m06' or '24772_m06_DMSO'"
        )
    places = [match.groupdict() for match in matches if match]
    return pd.DataFrame(places).assign(control=control)
