"""Validate the tables of a screen before it is packed."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from harness.core.exceptions import InputError
from harness.core.wells_schema import EMPTY, NEGCON, problems
from harness.utils.text import normalize_id, preview

INDEX_COLUMNS = "harness_index_columns"  # in the attributes of a table: columns that were its index


def check_unique(names: Sequence[str], *, what: str, source: str) -> None:
    """Raise InputError if a name occurs twice."""
    repeated = pd.Series(list(names), dtype=object)
    repeated = repeated[repeated.duplicated()]
    if len(repeated):
        raise InputError(f"{source}: {what} {preview(repeated.unique())} occur more than once; names must be unique")


def check_wide(df: pd.DataFrame, *, source: str) -> pd.DataFrame:
    """Return ``df`` with text column names and rows 0..n-1 (a named index becomes columns, ``attrs[INDEX_COLUMNS]``).

    Raises
    ------
    InputError : no rows, or a column name that occurs twice.
    """
    named = [str(name) for name in df.index.names if name is not None]
    check_unique([*named, *map(str, df.columns)], what="columns", source=source)
    df = df.reset_index(drop=not named)
    df.columns = df.columns.map(str)
    df.attrs = {**df.attrs, INDEX_COLUMNS: named}
    if df.empty:
        raise InputError(f"{source}: is empty: no rows; expected one row per well or image")
    return df


def check_wells(wells: pd.DataFrame, *, sites: bool, source: str) -> None:
    """Check what every reader must fulfil. ``sites``: several rows of a well are distinguished by ``site``.

    Raises
    ------
    InputError : no rows, a deviation from the schema (:mod:`harness.core.wells_schema`), a plate in two batches, a
        well twice on a plate (or a site twice in a well), a well with two roles, no negative controls, nothing but
        negative controls.
    """
    if wells.empty:
        raise InputError(f"{source}: is empty: no rows; expected one row per well or image")
    if lines := problems(wells):
        raise InputError(f"{source}: {lines[0]}")
    batches = wells.drop_duplicates(["plate", "batch"])
    culprit = batches["plate"][batches["plate"].duplicated()]
    if len(culprit):
        names = sorted(batches["batch"][batches["plate"] == culprit.iloc[0]])
        raise InputError(f"{source}: plate {culprit.iloc[0]!r} lies in {len(names)} batches {names}; expected one")
    key = ["plate", "well", "site"] if sites else ["plate", "well"]
    repeated = wells[wells.duplicated(key, keep=False)]
    if len(repeated):
        plate, well = repeated[["plate", "well"]].iloc[0]
        n = int((repeated[key] == repeated[key].iloc[0]).all(axis=1).sum())
        site = f", site {normalize_id(repeated['site'].iloc[0])!r}" if sites else ""
        remedy = "remove the copies" + (
            "" if sites else ", or, if rows are images, map columns.site or set level=image"
        )
        raise InputError(
            f"{source}: plate {plate!r}, well {well!r}{site} stands in {n} rows ({len(repeated)} such rows in all); "
            f"expected one: {remedy}"
        )
    roles = wells.drop_duplicates(["plate", "well", "role"])
    mixed = roles[roles.duplicated(["plate", "well"])]
    if len(mixed):
        plate, well = mixed[["plate", "well"]].iloc[0]
        several = sorted(roles["role"][(roles["plate"] == plate) & (roles["well"] == well)])
        raise InputError(f"{source}: plate {plate!r}, well {well!r} has rows of roles {several}; a well has one role")
    counts = wells["role"].value_counts()
    if NEGCON not in counts:
        raise InputError(f"{source}: no negative control among {len(wells)} rows; roles found {counts.to_dict()}")
    if set(counts.index) <= {NEGCON, EMPTY}:
        raise InputError(f"{source}: all {counts[NEGCON]} rows are negative controls; roles found {counts.to_dict()}")
