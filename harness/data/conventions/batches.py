"""Decide which batch a plate belongs to: by a column, by the folder of its file, by the laboratory, or none but its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness.data.conventions import names
from harness.data.conventions.columns import agreed
from harness.data.text import as_text


@dataclass(frozen=True)
class BatchChoice:
    """Batches of the rows, as text, and where they come from: ``column``, or what ``origin`` says."""

    values: pd.Series[Any]
    origin: str
    column: str | None = None


def folder_batches(plates: Sequence[pd.Series[Any]], paths: Sequence[Path]) -> list[str]:
    """Return for each file the folder that may be its batch: its own, or, if that is called like the plate, the next.

    ``plates``: plate ids of each file's rows. JUMP and pycytominer keep ``BATCH/PLATE/PLATE.parquet``.
    """
    return [_folder(ids, path.resolve()) for ids, path in zip(plates, paths, strict=True)]


def choose_batches(
    meta: pd.DataFrame, candidates: Sequence[str], folders: pd.Series[Any], *, plate: str, source: str
) -> BatchChoice:
    """Return the batches of ``meta``'s rows: the first of these that divides the plates in several.

    A batch column (``candidates``), the folders of the files (``folders``, (n,)), the laboratory (``Metadata_Source``),
    the plates themselves.

    Raises
    ------
    InputError : two batch columns that disagree.
    """
    several = [column for column in candidates if as_text(meta[column]).replace("", np.nan).nunique() > 1]
    if several:
        column = agreed(meta, "batch", several, source=source)
        return BatchChoice(as_text(meta[column]), column, column)
    plates = as_text(meta[plate])
    constant = "".join(f", {column} holds one value" for column in candidates[:1])
    if folders.nunique() > 1 and not _in_several(plates, folders):
        return BatchChoice(folders, f"folders of the files{constant}")
    for column in names.present(names.SOURCE, meta.columns):
        sources = as_text(meta[column])
        if sources.nunique() > 1 and not (sources == "").any() and not _in_several(plates, sources):
            return BatchChoice(sources, column, column)
    return BatchChoice(plates, f"each plate is its own{constant or ', no batch column'}")


def _in_several(plates: pd.Series[Any], groups: pd.Series[Any]) -> bool:
    pairs = pd.DataFrame({"plate": plates, "group": groups}).drop_duplicates()
    return bool(pairs["plate"].duplicated().any())


def _folder(plates: pd.Series[Any], path: Path) -> str:
    ids = set(as_text(plates))
    of_plate = path.parent.name in ids or (len(ids) == 1 and path.name.startswith(f"{path.parent.name}."))
    return path.parent.parent.name if of_plate else path.parent.name
