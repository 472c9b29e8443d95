"""Choose the columns of plate, well, site, compound, dose and cell count by names and values."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd

from harness.core.exceptions import InputError
from harness.core.wells_schema import MAPPABLE
from harness.data.columns import well_names
from harness.data.conventions import names
from harness.utils.text import as_numbers, as_text, preview

Candidates = Mapping[str, Sequence[str]]


def recognize(columns: Collection[str], mapped: Mapping[str, str], *, source: str) -> dict[str, str]:
    """Return the first column for each standard name, by names only.

    Raises
    ------
    InputError : an unknown standard name, an absent column that is mapped, no column for the plate or the well.
    """
    unknown = [name for name in mapped if name not in MAPPABLE]
    if unknown:
        raise InputError(f"columns: got {unknown}; the names that can be mapped are {list(MAPPABLE)}")
    for name, column in mapped.items():
        if column not in columns:
            raise InputError(f"{source}: no {name} column {column!r}; found {preview(columns, 20)}; set columns.{name}")
    candidates = names.candidates(columns, mapped)
    for name in ("plate", "well"):
        if not candidates[name]:
            raise InputError(
                f"{source}: no {name} column; looked for {names.looked_for(name)}; found {preview(columns, 20)}; set "
                f"data.columns.{name}=COLUMN (python -m harness.inspect shows what the columns hold)"
            )
    return {name: recognized[0] for name, recognized in candidates.items() if recognized}


def known_names(columns: Collection[str]) -> set[str]:
    """Return the columns that are recognized by name and therefore no features."""
    return {column for known_columns in names.candidates(columns, {}).values() for column in known_columns}


def agreed(meta: pd.DataFrame, name: str, columns: Sequence[str], *, source: str) -> str:
    """Return the first of ``columns`` after a check that all of them divide the rows of ``meta`` in the same way.

    Columns without any value do not count; other names for the same plates (1 for SQ0001) agree.

    Raises
    ------
    InputError : two columns that disagree; both are named, with the setting that decides.
    """
    filled = [column for column in columns if (as_text(meta[column]) != "").any()] or list(columns[:1])
    for other in filled[1:]:
        pairs = pd.DataFrame({"first": _ids(meta[filled[0]], name), "second": _ids(meta[other], name)})
        pairs = pairs.drop_duplicates()
        if pairs["first"].duplicated().any() or pairs["second"].duplicated().any():
            raise InputError(
                f"{source}: two columns may be the {name}: {filled[0]!r} holds {preview(pairs['first'].unique(), 3)}, "
                f"{other!r} holds {preview(pairs['second'].unique(), 3)}; choose by data.columns.{name}={filled[0]} or "
                f"data.columns.{name}={other}"
            )
    return filled[0]


def choose_columns(
    meta: pd.DataFrame, candidates: Candidates, *, mapped: Mapping[str, str], source: str
) -> dict[str, str]:
    """Choose the column of each standard name but the batch (see :mod:`harness.data.conventions.batches`).

    ``meta``: the columns of the screen that are no features. ``mapped``: the mapping of the settings, used
    as it is. A column of the standard name is used as well. Of the others a site counts only if wells have several
    rows, a compound if it names any, a dose if it holds numbers, a cell count if it holds counts.

    Raises
    ------
    InputError : two columns that may be the plate, or the well, and disagree.
    """
    columns = {name: agreed(meta, name, candidates[name], source=source) for name in ("plate", "well")}
    as_is = {name: mapped.get(name, name) for name in MAPPABLE}
    usable = {"compound": _names_any, "dose": _holds_numbers, "cell_count": _holds_counts}
    for name, is_usable in usable.items():
        choice = next((c for c in candidates[name] if c == as_is[name] or is_usable(meta[c])), None)
        if choice:
            columns[name] = choice
    sites = candidates["site"]
    place = pd.DataFrame({"plate": as_text(meta[columns["plate"]]), "well": _ids(meta[columns["well"]], "well")})
    if sites and (sites[0] == as_is["site"] or place.duplicated().any()):
        columns["site"] = sites[0]
    return columns


def _ids(values: pd.Series[Any], name: str) -> pd.Series[Any]:
    return well_names.standardize(values)["well"] if name == "well" else as_text(values)


def _names_any(values: pd.Series[Any]) -> bool:
    return bool((as_text(values) != "").any())


def _holds_numbers(values: pd.Series[Any]) -> bool:
    return bool(as_numbers(values).notna().any())


def _holds_counts(values: pd.Series[Any]) -> bool:
    numbers = as_numbers(values)
    return bool(
        numbers.notna().any() and (numbers.dropna() >= 0).all() and numbers.notna().sum() == values.notna().sum()
    )
