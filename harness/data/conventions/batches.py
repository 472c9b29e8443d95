"""Choose the batch of each plate: a column, the folder of its file, the laboratory, or the plate itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from harness.data.conventions import names
from harness.data.conventions.columns import agreed
from harness.utils.text import as_text


@dataclass(frozen=True)
class BatchChoice:
    """Batches of the rows, as text, the ``column`` that holds them, if any, and their ``origin`` in words."""

    values: pd.Series[Any]
    origin: str
    column: str | None = None


def choose_batches(
    meta: pd.DataFrame, candidates: Sequence[str], folders: pd.Series[Any], *, plate: str, source: str
) -> BatchChoice:
    """Choose the batches of ``meta``'s rows: the first of these that divides the plates in several groups.

    A batch column (``candidates``; one that is called ``batch`` even if it holds one value only), the folders of the
    files (``folders``, (n,)), the laboratory (``Metadata_Source``), the plates themselves.

    Raises
    ------
    InputError : two batch columns that disagree.
    """
    several = [column for column in candidates if _divides(meta[column], least=1 if column == "batch" else 2)]
    if several:
        column = agreed(meta, "batch", several, source=source)
        return BatchChoice(as_text(meta[column]), column, column)
    plates = as_text(meta[plate])
    constant = "".join(f" ({column} holds one value)" for column in candidates[:1])
    if _divides(folders, least=2) and not _in_several(plates, folders):
        return BatchChoice(folders, f"folders of the files{constant}")
    for column in names.present(names.SOURCE, meta.columns):
        sources = as_text(meta[column])
        if _divides(sources, least=2) and not (sources == "").any() and not _in_several(plates, sources):
            return BatchChoice(sources, column, column)
    return BatchChoice(plates, f"each plate is its own{constant or ' (no batch column)'}")


def _divides(batches: pd.Series[Any], *, least: int) -> bool:
    texts = as_text(batches)
    return len(set(texts) - {""}) >= least


def _in_several(plates: pd.Series[Any], groups: pd.Series[Any]) -> bool:
    pairs = pd.DataFrame({"plate": plates, "group": groups}).drop_duplicates()
    return bool(pairs["plate"].duplicated().any())
