"""Aggregate tables of single cells, such as CytoTable writes, to one row per well or site."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.core.arrays import Floats
from harness.core.exceptions import InputError
from harness.store.reading_report import ReadingReport
from harness.utils.text import as_text

# Columns that number cells: CytoTable's Metadata_Cells_Number_Object_Number, CellProfiler's ObjectNumber.
# Not the mean object number of an image, which CellProfiler's Image.csv holds.
_OBJECT = re.compile(r"(?!Mean_|Median_|StDev_)(\w+_)?(Number_Object_Number|ObjectNumber)")
CELL_COUNT = "cell_count"


def is_cell_level(df: pd.DataFrame, columns: Mapping[str, str]) -> bool:
    """Return whether rows are single cells: objects are numbered, and several share a plate, well and site.

    ``columns`` maps standard names to columns of ``df``.
    """
    key = _key(columns)
    if not any(_OBJECT.fullmatch(str(name)) for name in df.columns) or not set(key) <= set(df.columns):
        return False
    return bool(df.duplicated(key).any())


def aggregate_cells(
    X: Floats,
    meta: pd.DataFrame,
    columns: Mapping[str, str],
    *,
    needed: Collection[str] = (),
    source: str,
    report: ReadingReport,
) -> tuple[Floats, pd.DataFrame]:
    """Take the median of each feature over the cells of a well (of a site, if ``columns`` maps one).

    Missing values of single cells are left out of the median. Of the other columns those stay that have one value
    within each well (site). The number of cells becomes ``cell_count``, or the mapped column, unless the table has it.

    Parameters
    ----------
    X : features, (n_cells, n_features) float32.
    meta : the other columns, n_cells rows.
    needed : columns that must have one value within each well (site).

    Returns
    -------
    X (n, n_features) float32 and meta (n rows), n wells or sites in order of first appearance.

    Raises
    ------
    InputError : cells without plate or well; a needed column with several values in a well.
    """
    key = _key(columns)
    texts = _keys(meta, key, source)
    codes = texts.groupby(key, sort=False, dropna=False).ngroup().to_numpy()
    sizes = np.bincount(codes)
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(sizes)
    first = order[ends - sizes]
    others = {str(name): _other(meta[name], codes, first) for name in meta.columns if name not in key}
    varying = {name: row for name, row in others.items() if row is not None}
    count = columns.get(CELL_COUNT, CELL_COUNT)
    for name in [name for name in varying if name in needed and name != count]:
        place = ", ".join(f"{column} {value!r}" for column, value in texts.iloc[varying[name]].items())
        raise InputError(
            f"{source}: rows are single cells, but column {name!r} holds several values within {place}; expected one"
        )
    medians = np.empty((len(sizes), X.shape[1]), dtype=np.float32)
    for i, (begin, end) in enumerate(zip(ends - sizes, ends, strict=True)):
        medians[i] = median_without_missing(X[order[begin:end]])
    rows = meta.iloc[first].reset_index(drop=True).drop(columns=list(varying))
    if count not in rows:
        rows[count] = sizes
    place = "site" if "site" in columns else "well"
    report.note(
        f"{source}: {len(X)} rows are single cells; the median over the cells of each {place} was taken "
        f"({len(sizes)} {place}s of {sizes.min()} to {sizes.max()} cells)"
    )
    return medians, rows


def median_without_missing(X: Floats) -> Floats:
    """Return the median of each column, (n_features,); NaN is left out, a column of nothing else is NaN."""
    if not np.isnan(X).any():
        middle: Floats = np.median(X, axis=0)
        return middle
    ordered = np.sort(X, axis=0)  # NaN comes last
    n = np.count_nonzero(~np.isnan(X), axis=0)
    columns = np.arange(X.shape[1])
    low, high = ordered[np.maximum(n - 1, 0) // 2, columns], ordered[n // 2, columns]
    with np.errstate(invalid="ignore"):
        return np.where(n > 0, low / 2 + high / 2, np.nan).astype(X.dtype)


def _key(columns: Mapping[str, str]) -> list[str]:
    return list(dict.fromkeys(columns[name] for name in ("plate", "well", "site") if name in columns))


def _keys(meta: pd.DataFrame, key: list[str], source: str) -> pd.DataFrame:
    absent = [name for name in key if name not in meta]
    if absent:
        raise InputError(f"{source}: level=cell needs the column {absent[0]!r} in the file of the cells itself")
    texts = pd.DataFrame({name: as_text(meta[name]) for name in key})
    blank = (texts == "").to_numpy()
    if blank.any():
        row, column = (int(i[0]) for i in np.nonzero(blank))
        raise InputError(
            f"{source}, row {row + 1}: column {key[column]!r} is empty (in {blank.any(axis=1).sum()} rows)"
        )
    return texts


def _other(column: pd.Series[Any], codes: NDArray[Any], first: NDArray[Any]) -> int | None:
    """Return the first row whose value is not that of the first row of its group; None if there is none."""
    values = pd.factorize(column.map(str) if column.dtype == object else column)[0]
    differs = values != values[first][codes]
    return int(differs.argmax()) if differs.any() else None
